"""A mock of the payment provider: Stripe's PaymentIntents over HTTP, with test cards. See README.md."""
