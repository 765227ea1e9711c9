-- The publisher's views, for those who run ksqlDB: run them once with `ksql -f views.sql`.
--
-- Written for ksqlDB 0.29. Not run by our tests: no ksqlDB server can be had from a public registry. They check
-- that each column is a field of the topic, and that windows, retention and amount are those of the settings.
--
-- What differs from `python -m app query`: ksqlDB counts a line that was written twice twice, but for
-- COUNT_DISTINCT, which is a HyperLogLog as ours; and it has no list of the most frequent: sort the rows of
-- `categories` by `flagged`.

SET 'auto.offset.reset' = 'earliest';

CREATE STREAM potential_fraud (
    device_key VARCHAR KEY,
    event VARCHAR,
    transaction_id VARCHAR,
    transaction_time VARCHAR,
    device_id VARCHAR,
    amount DOUBLE,
    user_token VARCHAR,
    merchant_id VARCHAR,
    merchant VARCHAR,
    merchant_category VARCHAR,
    transaction_device VARCHAR
) WITH (
    KAFKA_TOPIC = 'Potential_fraud_transactions',
    KEY_FORMAT = 'KAFKA',
    VALUE_FORMAT = 'JSON',
    TIMESTAMP = 'transaction_time',
    TIMESTAMP_FORMAT = 'yyyy-MM-dd''T''HH:mm:ss[.SSSSSS]X'
);

-- Each transaction once, when it is flagged; what is confirmed or retracted later has lines of its own.
CREATE STREAM flagged_transactions AS
    SELECT
        device_key,
        'all' AS everybody,
        transaction_id,
        device_id,
        amount,
        user_token,
        COALESCE(merchant_id, merchant, '(not known)') AS shop,
        COALESCE(merchant_category, '(not known)') AS category,
        COALESCE(transaction_device, '(not known)') AS device_type
    FROM potential_fraud
    WHERE event = 'flagged'
    EMIT CHANGES;

-- The paper's Figure 10: people with flagged transactions of high value.
CREATE TABLE people_with_high_value AS
    SELECT everybody, COUNT_DISTINCT(user_token) AS people
    FROM flagged_transactions
    WHERE amount >= 1000
    GROUP BY everybody
    EMIT CHANGES;

CREATE TABLE people_with_high_value_by_hour AS
    SELECT everybody, COUNT_DISTINCT(user_token) AS people
    FROM flagged_transactions
    WINDOW TUMBLING (SIZE 1 HOUR, RETENTION 48 HOURS)
    WHERE amount >= 1000
    GROUP BY everybody
    EMIT CHANGES;

-- Volume, amounts and people, by windows that tumble and by windows that hop.
CREATE TABLE flagged_by_hour AS
    SELECT
        everybody,
        COUNT_DISTINCT(transaction_id) AS flagged,
        AVG(amount) AS average_amount,
        COUNT_DISTINCT(user_token) AS people,
        COUNT_DISTINCT(device_id) AS devices,
        COUNT_DISTINCT(shop) AS merchants
    FROM flagged_transactions
    WINDOW TUMBLING (SIZE 1 HOUR, RETENTION 48 HOURS)
    GROUP BY everybody
    EMIT CHANGES;

CREATE TABLE flagged_every_quarter AS
    SELECT
        everybody,
        COUNT_DISTINCT(transaction_id) AS flagged,
        AVG(amount) AS average_amount,
        COUNT_DISTINCT(user_token) AS people
    FROM flagged_transactions
    WINDOW HOPPING (SIZE 1 HOUR, ADVANCE BY 15 MINUTES, RETENTION 48 HOURS)
    GROUP BY everybody
    EMIT CHANGES;

CREATE TABLE categories AS
    SELECT category, COUNT_DISTINCT(transaction_id) AS flagged, AVG(amount) AS average_amount
    FROM flagged_transactions
    WINDOW TUMBLING (SIZE 1 HOUR, RETENTION 48 HOURS)
    GROUP BY category
    EMIT CHANGES;

CREATE TABLE device_types AS
    SELECT device_type, COUNT_DISTINCT(transaction_id) AS flagged, AVG(amount) AS average_amount
    FROM flagged_transactions
    WINDOW TUMBLING (SIZE 1 HOUR, RETENTION 48 HOURS)
    GROUP BY device_type
    EMIT CHANGES;
