-- The best sellers of a day. A day's rows lie beside each other, which PostgreSQL does not know of: it would read each by the
-- index, at twice the cost of reading their pages one after the other. Only a function can say so for one statement.
CREATE FUNCTION read_v1.top_sales_of_day(of_day date, in_currency text, sort text, rows_max integer)
RETURNS SETOF read_v1.sales_daily
LANGUAGE plpgsql STABLE PARALLEL SAFE SET enable_indexscan = off
AS $$
BEGIN
    RETURN QUERY
    SELECT *
    FROM read_v1.sales_daily
    WHERE day = of_day AND (in_currency IS NULL OR currency = in_currency)
    ORDER BY CASE WHEN sort = 'revenue' THEN revenue_minor ELSE units END DESC, sku, currency
    LIMIT rows_max;
END;
$$;
