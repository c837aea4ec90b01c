-- The sum of whole numbers as one. PostgreSQL's own sum of them has a state of 128 bits and ends in a numeric, which takes
-- more than half of the time that the best sellers of a long range take. A total beyond bigint is an error here.
CREATE AGGREGATE read_v1.total(bigint) (SFUNC = int8pl, STYPE = bigint, PARALLEL = SAFE);
