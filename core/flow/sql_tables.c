#include "flow/sql.h"

/* Text that people and other programs name things by is compared byte for byte. */
#define OWN_TABLE " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"

static const char *const mysql_tables[] = {
	"CREATE TABLE IF NOT EXISTS streamlua_progress ("
	"job VARCHAR(64) NOT NULL, topic VARCHAR(512) NOT NULL, `partition` INT NOT NULL, lane INT NOT NULL, "
	"next_offset BIGINT NOT NULL, done MEDIUMBLOB NOT NULL, epoch BIGINT NOT NULL, seq BIGINT NOT NULL, watermark BIGINT NULL, "
	"script_version VARCHAR(32) NOT NULL, "
	"updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), "
	"PRIMARY KEY (job, topic, `partition`, lane))" OWN_TABLE,

	"CREATE TABLE IF NOT EXISTS streamlua_dead_letters ("
	"id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, job VARCHAR(64) NOT NULL, topic VARCHAR(512) NOT NULL, `partition` INT NOT NULL, "
	"`offset` BIGINT NOT NULL, source_table VARCHAR(256) NULL, stage VARCHAR(16) NOT NULL, error TEXT NOT NULL, "
	"script_version VARCHAR(32) NOT NULL, `key` LONGBLOB NULL, `value` LONGBLOB NULL, headers LONGTEXT NULL, "
	"part BIGINT NOT NULL DEFAULT 0, time_ms BIGINT NOT NULL DEFAULT 0, progress_topic VARCHAR(512) NULL, progress_partition INT NULL, "
	"progress_offset BIGINT NULL, at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), KEY (job, at))" OWN_TABLE,

	"CREATE TABLE IF NOT EXISTS streamlua_parked ("
	"job VARCHAR(64) NOT NULL, topic VARCHAR(512) NOT NULL, `partition` INT NOT NULL, `offset` BIGINT NOT NULL, part BIGINT NOT NULL, "
	"waits_for VARCHAR(256) NULL, `keys` MEDIUMBLOB NOT NULL, message_topic VARCHAR(2000) NULL, message_partition INT NULL, "
	"message_offset BIGINT NULL, time_ms BIGINT NOT NULL, script_version VARCHAR(32) NOT NULL, `key` LONGBLOB NULL, `value` LONGBLOB NULL, "
	"headers LONGTEXT NULL, replay TINYINT NOT NULL DEFAULT 0, at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), "
	"PRIMARY KEY (job, topic, `partition`, `offset`, part), KEY (job, replay))" OWN_TABLE,

	"CREATE TABLE IF NOT EXISTS streamlua_state ("
	"job VARCHAR(64) NOT NULL, script VARCHAR(96) NOT NULL, map VARCHAR(160) NOT NULL, `key` VARCHAR(400) NOT NULL, "
	"`value` MEDIUMTEXT NOT NULL, timers TEXT NULL, due BIGINT NULL, wake BIGINT NULL, version INT NOT NULL, "
	"topic VARCHAR(512) NOT NULL, `partition` INT NOT NULL, "
	"updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), "
	"PRIMARY KEY (job, script, map, `key`), KEY due (job, script, due), KEY wake (job, script, wake))" OWN_TABLE,

	NULL,
};

#define OWN_TIME "TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))"

static const char *const sqlite_tables[] = {
	"CREATE TABLE IF NOT EXISTS streamlua_progress ("
	"job TEXT NOT NULL, topic TEXT NOT NULL, `partition` INTEGER NOT NULL, lane INTEGER NOT NULL, "
	"next_offset INTEGER NOT NULL, done BLOB NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, watermark INTEGER NULL, "
	"script_version TEXT NOT NULL, updated_at " OWN_TIME ", "
	"PRIMARY KEY (job, topic, `partition`, lane)) WITHOUT ROWID",

	"CREATE TABLE IF NOT EXISTS streamlua_dead_letters ("
	"id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, topic TEXT NOT NULL, `partition` INTEGER NOT NULL, "
	"`offset` INTEGER NOT NULL, source_table TEXT NULL, stage TEXT NOT NULL, error TEXT NOT NULL, script_version TEXT NOT NULL, "
	"`key` BLOB NULL, `value` BLOB NULL, headers TEXT NULL, part INTEGER NOT NULL DEFAULT 0, time_ms INTEGER NOT NULL DEFAULT 0, "
	"progress_topic TEXT NULL, progress_partition INTEGER NULL, progress_offset INTEGER NULL, at " OWN_TIME ")",

	"CREATE TABLE IF NOT EXISTS streamlua_parked ("
	"job TEXT NOT NULL, topic TEXT NOT NULL, `partition` INTEGER NOT NULL, `offset` INTEGER NOT NULL, part INTEGER NOT NULL, "
	"waits_for TEXT NULL, `keys` BLOB NOT NULL, message_topic TEXT NULL, message_partition INTEGER NULL, message_offset INTEGER NULL, "
	"time_ms INTEGER NOT NULL, script_version TEXT NOT NULL, `key` BLOB NULL, `value` BLOB NULL, headers TEXT NULL, replay INTEGER NOT NULL "
	"DEFAULT 0, at " OWN_TIME ", "
	"PRIMARY KEY (job, topic, `partition`, `offset`, part)) WITHOUT ROWID",

	"CREATE INDEX IF NOT EXISTS streamlua_parked_replay ON streamlua_parked (job, replay)",

	"CREATE TABLE IF NOT EXISTS streamlua_state ("
	"job TEXT NOT NULL, script TEXT NOT NULL, map TEXT NOT NULL, `key` TEXT NOT NULL, `value` TEXT NOT NULL, timers TEXT NULL, "
	"due INTEGER NULL, wake INTEGER NULL, version INTEGER NOT NULL, topic TEXT NOT NULL, `partition` INTEGER NOT NULL, "
	"updated_at " OWN_TIME ", PRIMARY KEY (job, script, map, `key`)) WITHOUT ROWID",
	"CREATE INDEX IF NOT EXISTS streamlua_state_due ON streamlua_state (job, script, due) WHERE due IS NOT NULL",
	"CREATE INDEX IF NOT EXISTS streamlua_state_wake ON streamlua_state (job, script, wake) WHERE wake IS NOT NULL",

	NULL,
};

#define ADDITION(table, column, type)                                                                                                                \
	{                                                                                                                                            \
		table, column, "ALTER TABLE " table " ADD COLUMN " column " " type                                                                   \
	}

static const struct sql_addition mysql_additions[] = {
	ADDITION("streamlua_dead_letters", "part", "BIGINT NOT NULL DEFAULT 0"),
	ADDITION("streamlua_dead_letters", "time_ms", "BIGINT NOT NULL DEFAULT 0"),
	ADDITION("streamlua_dead_letters", "progress_topic", "VARCHAR(512) NULL"),
	ADDITION("streamlua_dead_letters", "progress_partition", "INT NULL"),
	ADDITION("streamlua_dead_letters", "progress_offset", "BIGINT NULL"),
	ADDITION("streamlua_parked", "replay", "TINYINT NOT NULL DEFAULT 0"),
	{ NULL, NULL, NULL },
};

static const struct sql_addition sqlite_additions[] = {
	ADDITION("streamlua_dead_letters", "part", "INTEGER NOT NULL DEFAULT 0"),
	ADDITION("streamlua_dead_letters", "time_ms", "INTEGER NOT NULL DEFAULT 0"),
	ADDITION("streamlua_dead_letters", "progress_topic", "TEXT NULL"),
	ADDITION("streamlua_dead_letters", "progress_partition", "INTEGER NULL"),
	ADDITION("streamlua_dead_letters", "progress_offset", "INTEGER NULL"),
	ADDITION("streamlua_parked", "replay", "INTEGER NOT NULL DEFAULT 0"),
	{ NULL, NULL, NULL },
};

const struct sql_addition *sql_additions(enum sql_dialect dialect)
{
	return dialect == SQL_SQLITE ? sqlite_additions : mysql_additions;
}

const char *const *sql_tables(enum sql_dialect dialect)
{
	return dialect == SQL_SQLITE ? sqlite_tables : mysql_tables;
}
