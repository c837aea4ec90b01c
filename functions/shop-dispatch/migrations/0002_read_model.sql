CREATE TABLE shop.product (
    sku text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    description text NOT NULL,
    price_minor bigint NOT NULL,
    currency text NOT NULL,
    status text NOT NULL CHECK (status IN ('listed', 'retired')),
    version integer NOT NULL,
    listed_at timestamptz NOT NULL
);

-- Apart from product: a reservation's event may arrive before its products', and stock changes far more often.
CREATE TABLE shop.stock (
    sku text COLLATE "C" PRIMARY KEY,
    received bigint NOT NULL,
    held bigint NOT NULL,
    sold bigint NOT NULL
) WITH (fillfactor = 50);

-- A purchase is the end of a reservation's life, so it is the same row.
CREATE TABLE shop.reservation (
    reservation_id text COLLATE "C" PRIMARY KEY,
    customer_id text COLLATE "C" NOT NULL,
    status text NOT NULL CHECK (status IN ('active', 'paying', 'purchased', 'cancelled', 'expired', 'refunded')),
    lines jsonb NOT NULL,
    total_minor bigint NOT NULL,
    currency text NOT NULL,
    placed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    payment_intent_id text,
    purchased_at timestamptz,
    version integer NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX purchase_of_customer ON shop.reservation (customer_id, purchased_at DESC, reservation_id DESC)
    WHERE purchased_at IS NOT NULL;

-- Net of refunds, each counted on the day it happened (UTC), so that a day that is over never changes.
CREATE TABLE shop.sales_daily (
    day date NOT NULL,
    sku text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    units bigint NOT NULL,
    revenue_minor bigint NOT NULL,
    PRIMARY KEY (day, sku, currency)
) WITH (fillfactor = 70);

GRANT SELECT, INSERT, UPDATE ON shop.product, shop.stock, shop.reservation, shop.sales_daily TO shop_dispatch;
