-- Names for copies of the first case, for one connection.
--
-- Copies are a year older than any real case of a measurement, 25 seconds apart.

CREATE FUNCTION pg_temp.at(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN 1735689600000000 + n * 25000000;

-- A UUIDv7, so that copies lie in indexes as real ones do.
CREATE FUNCTION pg_temp.id(n bigint, place bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN (lpad(to_hex(1735689600000 + n * 25000 + place), 12, '0') || '7'
        || lpad(to_hex(place), 3, '0') || '8' || lpad(to_hex(n), 15, '0'))::uuid;

CREATE FUNCTION pg_temp.letter(n bigint) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN 'BG' || lpad(n::text, 10, '0');

-- ISO 7064 MOD 11,10, as the broker counts it.
CREATE FUNCTION pg_temp.number(n bigint) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    digits text := '25' || lpad(n::text, 7, '0');
    product int := 10;
    sum int;
BEGIN
    FOR place IN 1 .. length(digits) LOOP
        sum := (substr(digits, place, 1)::int + product) % 10;
        product := (CASE WHEN sum = 0 THEN 10 ELSE sum END * 2) % 11;
    END LOOP;
    RETURN 'R' || digits || ((11 - product) % 10)::text;
END
$$;

-- A document of the first case, said of copy `n`.
CREATE FUNCTION pg_temp.restated(
    body bytea, n bigint, number text, first_id text, first_number text, first_letter text
) RETURNS bytea LANGUAGE sql STABLE
    RETURN convert_to(replace(replace(replace(convert_from(body, 'UTF8'),
        first_id, pg_temp.id(n, 1)::text), first_number, number),
        first_letter, pg_temp.letter(n)), 'UTF8');
