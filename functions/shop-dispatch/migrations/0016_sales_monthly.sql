-- What was sold by calendar month (UTC): the sums of sales_daily, so that the best sellers of a month are read in their order
-- and a long range adds up months in place of days.
LOCK TABLE shop.sales_daily IN SHARE MODE; -- so that no batch is applied between the reading and the end of this

CREATE TABLE shop.sales_monthly (
    month date NOT NULL CHECK (month = date_trunc('month', month::timestamp)), -- its first day
    sku text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    units bigint NOT NULL,
    revenue_minor bigint NOT NULL,
    PRIMARY KEY (month, sku, currency)
) WITH (fillfactor = 70);

INSERT INTO shop.sales_monthly
SELECT date_trunc('month', day::timestamp)::date, sku, currency, sum(units), sum(revenue_minor)
FROM shop.sales_daily
GROUP BY 1, 2, 3;

CREATE INDEX sales_of_month_by_units ON shop.sales_monthly (month, units DESC, sku, currency);
CREATE INDEX sales_of_month_by_revenue ON shop.sales_monthly (month, currency, revenue_minor DESC, sku);

GRANT SELECT, INSERT, UPDATE ON shop.sales_monthly TO shop_dispatch;

CREATE VIEW read_v1.sales_monthly AS
SELECT month, sku, currency, units, revenue_minor
FROM shop.sales_monthly;

GRANT SELECT ON read_v1.sales_monthly TO shop_query;
