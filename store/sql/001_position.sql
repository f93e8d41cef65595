-- Where schedd's channels stand: which rows of a spool are in their table.
--
-- One row for each channel and each spool (the generation of the Redis that
-- holds it). at: the last entry of which rows were brought, and how many of
-- its rows; it changes in the transaction that brings them, so that each row
-- arrives once. refused: the rows of that transaction which the database did
-- not take, as JSON: [["id","SQLSTATE","message"], ...]; it stays until they
-- are in the quarantine, for the next transaction comes only then.
CREATE SCHEMA IF NOT EXISTS schedd;

CREATE TABLE IF NOT EXISTS schedd.migration (
	number int PRIMARY KEY,
	applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS schedd.position (
	spool text NOT NULL,
	channel text NOT NULL,
	at text NOT NULL,
	refused text NOT NULL DEFAULT '[]',
	changed_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (spool, channel)
) WITH (fillfactor = 10);
