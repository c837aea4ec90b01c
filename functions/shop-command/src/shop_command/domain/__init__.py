"""What the shop decides: pure functions over frozen values. Time, ids and chance come in from outside."""
