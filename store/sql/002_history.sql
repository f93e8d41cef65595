-- What became of tasks, for the channel of kind history: a row for each that
-- was finished or is dead, in a partition for each day (UTC).
CREATE TABLE IF NOT EXISTS schedd.history (
	queue text NOT NULL,
	id text NOT NULL,
	state text NOT NULL, -- finish, dead
	pushed_at timestamptz,
	taken_at timestamptz, -- the last time; null: its lease was over
	ended_at timestamptz NOT NULL,
	worker text,
	attempts int NOT NULL,
	error text,
	result json
) PARTITION BY RANGE (ended_at);

CREATE INDEX IF NOT EXISTS history_of_task ON schedd.history (queue, id);

-- Makes the partitions of days that have none. They are attached, which does
-- not wait for whoever reads the table.
CREATE OR REPLACE FUNCTION schedd.history_days(days date[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	day date;
	part text;
BEGIN
	FOREACH day IN ARRAY days LOOP
		part := 'history_' || to_char(day, 'YYYYMMDD');
		CONTINUE WHEN to_regclass(format('schedd.%I', part)) IS NOT NULL;
		BEGIN
			EXECUTE format('CREATE TABLE schedd.%I (LIKE schedd.history '
				'INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
			EXECUTE format('ALTER TABLE schedd.history ATTACH PARTITION '
				'schedd.%I FOR VALUES FROM (%L) TO (%L)', part,
				day::timestamp AT TIME ZONE 'UTC',
				(day + 1)::timestamp AT TIME ZONE 'UTC');
		EXCEPTION WHEN duplicate_table THEN
			NULL; -- another schedd just did
		END;
	END LOOP;
END $$;

-- Drops the partitions of which all rows are older: how many.
CREATE OR REPLACE FUNCTION schedd.history_keep(keep interval) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
	part text;
	dropped int := 0;
BEGIN
	FOR part IN SELECT c.relname FROM pg_inherits i
		JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'schedd.history'::regclass
		AND c.relname ~ '^history_[0-9]{8}$'
		AND (to_date(right(c.relname, 8), 'YYYYMMDD') + 1)::timestamp
			AT TIME ZONE 'UTC' <= now() - keep
	LOOP
		EXECUTE format('DROP TABLE schedd.%I', part);
		dropped := dropped + 1;
	END LOOP;
	RETURN dropped;
END $$;
