-- begin_copies
INSERT INTO copies SELECT n, pg_temp.id(n, 1), pg_temp.number(n)
FROM generate_series($1::bigint, $2::bigint) AS n;
