#include "io/mysql_errors.h"

#include <stdlib.h>
#include <string.h>

/* By number, ascending. Sources: MySQL's and MariaDB's lists of server errors, TiDB's list of error codes and what its own tools
 * retry (dbutil/retry.go). What is in no row is judged by its SQLSTATE's class, and is retried where that says nothing either:
 * an event is never given up for an error that nobody thought of. */
static const struct known {
	unsigned number;
	enum mysql_kind kind;
} known[] = {
	{ 1020, MYSQL_BUSY },      /* record has changed since last read */
	{ 1021, MYSQL_BUSY },      /* disk full */
	{ 1030, MYSQL_BUSY },      /* error from the storage engine: disk full, most of the time */
	{ 1037, MYSQL_BUSY },      /* out of memory */
	{ 1040, MYSQL_ELSEWHERE }, /* too many connections */
	{ 1041, MYSQL_BUSY },      /* out of memory */
	{ 1044, MYSQL_FAILED },    /* no access to the database */
	{ 1045, MYSQL_FAILED },    /* wrong user or password */
	{ 1046, MYSQL_FAILED },    /* no database selected */
	{ 1047, MYSQL_ELSEWHERE }, /* Galera: this node is not ready for use */
	{ 1048, MYSQL_REFUSED },   /* NULL where there may be none */
	{ 1049, MYSQL_FAILED },    /* unknown database */
	{ 1053, MYSQL_ELSEWHERE }, /* the server is shutting down */
	{ 1054, MYSQL_FAILED },    /* unknown column */
	{ 1062, MYSQL_DUPLICATE }, /* a unique value is another row's */
	{ 1064, MYSQL_FAILED },    /* syntax: a server that does not understand our words */
	{ 1114, MYSQL_BUSY },      /* table (or its disk) full */
	{ 1118, MYSQL_REFUSED },   /* row too large */
	{ 1129, MYSQL_ELSEWHERE }, /* host blocked because of many connection errors */
	{ 1130, MYSQL_FAILED },    /* this host may not connect */
	{ 1136, MYSQL_FAILED },    /* column count does not match */
	{ 1142, MYSQL_FAILED },    /* command denied on the table */
	{ 1143, MYSQL_FAILED },    /* command denied on a column */
	{ 1146, MYSQL_FAILED },    /* no such table */
	{ 1152, MYSQL_ELSEWHERE }, /* aborted connection */
	{ 1153, MYSQL_REFUSED },   /* packet larger than max_allowed_packet */
	{ 1158, MYSQL_ELSEWHERE }, /* read error on the connection */
	{ 1159, MYSQL_ELSEWHERE }, /* read timeout */
	{ 1160, MYSQL_ELSEWHERE }, /* write error */
	{ 1161, MYSQL_ELSEWHERE }, /* write timeout */
	{ 1180, MYSQL_BUSY },      /* error during COMMIT */
	{ 1184, MYSQL_ELSEWHERE }, /* aborted connection */
	{ 1197, MYSQL_REFUSED },   /* transaction larger than max_binlog_cache_size: half of it may fit */
	{ 1203, MYSQL_ELSEWHERE }, /* too many connections of this user */
	{ 1205, MYSQL_BUSY },      /* lock wait timeout */
	{ 1206, MYSQL_BUSY },      /* lock table full */
	{ 1213, MYSQL_BUSY },      /* deadlock */
	{ 1226, MYSQL_ELSEWHERE }, /* a limit of this user's per hour */
	{ 1227, MYSQL_FAILED },    /* missing privilege */
	{ 1264, MYSQL_REFUSED },   /* out of range */
	{ 1265, MYSQL_REFUSED },   /* data truncated (SQLSTATE 01000): an ENUM's or SET's unknown member */
	{ 1288, MYSQL_FAILED },    /* the target is a view that cannot be updated */
	{ 1290, MYSQL_ELSEWHERE }, /* the server runs with --read-only: no longer the primary */
	{ 1292, MYSQL_REFUSED },   /* incorrect value */
	{ 1300, MYSQL_REFUSED },   /* invalid character string */
	{ 1317, MYSQL_BUSY },      /* query interrupted */
	{ 1348, MYSQL_FAILED },    /* column of a view that cannot be updated */
	{ 1364, MYSQL_REFUSED },   /* no value for a column without a default */
	{ 1366, MYSQL_REFUSED },   /* incorrect value for a column */
	{ 1370, MYSQL_FAILED },    /* routine denied */
	{ 1406, MYSQL_REFUSED },   /* too long */
	{ 1411, MYSQL_REFUSED },   /* incorrect value for a function */
	{ 1412, MYSQL_BUSY },      /* table definition has changed */
	{ 1416, MYSQL_REFUSED },   /* not a geometry */
	{ 1471, MYSQL_FAILED },    /* the target is a view that cannot be inserted into */
	{ 1525, MYSQL_REFUSED },   /* incorrect value of a type */
	{ 1526, MYSQL_REFUSED },   /* no partition for the value */
	{ 1690, MYSQL_REFUSED },   /* out of range in an expression */
	{ 1698, MYSQL_FAILED },    /* wrong user or authentication method */
	{ 1792, MYSQL_ELSEWHERE }, /* transactions are read-only here */
	{ 1820, MYSQL_FAILED },    /* password must be changed */
	{ 1836, MYSQL_ELSEWHERE }, /* the server is read-only */
	{ 1862, MYSQL_FAILED },    /* password expired */
	{ 1906, MYSQL_FAILED },    /* MariaDB: the column is generated */
	{ 1927, MYSQL_ELSEWHERE }, /* MariaDB: connection was killed */
	{ 1969, MYSQL_BUSY },      /* MariaDB: max_statement_time exceeded */
	{ 2049, MYSQL_FAILED },    /* authentication that the library does not do */
	{ 2059, MYSQL_FAILED },    /* authentication plugin that cannot be loaded */
	{ 2061, MYSQL_FAILED },    /* authentication plugin's error */
	{ 3024, MYSQL_BUSY },      /* MySQL: max_execution_time exceeded */
	{ 3100, MYSQL_ELSEWHERE }, /* group replication: error before COMMIT */
	{ 3101, MYSQL_BUSY },      /* group replication: rolled back by a conflict */
	{ 3105, MYSQL_FAILED },    /* MySQL: the column is generated */
	{ 3118, MYSQL_FAILED },    /* account locked */
	{ 3140, MYSQL_REFUSED },   /* invalid JSON text */
	{ 3141, MYSQL_REFUSED },   /* invalid JSON value */
	{ 3144, MYSQL_REFUSED },   /* JSON from a string of another character set */
	{ 3156, MYSQL_REFUSED },   /* invalid JSON for a cast */
	{ 3159, MYSQL_FAILED },    /* only TLS connections are allowed */
	{ 3169, MYSQL_ELSEWHERE }, /* MySQL: session was killed */
	{ 3819, MYSQL_REFUSED },   /* MySQL and TiDB: a CHECK constraint */
	{ 4025, MYSQL_REFUSED },   /* MariaDB: a CHECK constraint */
	{ 4031, MYSQL_ELSEWHERE }, /* MySQL: disconnected because of inactivity */
	{ 4151, MYSQL_FAILED },    /* MariaDB: account locked */
	{ 8002, MYSQL_BUSY },      /* TiDB: SELECT FOR UPDATE met a conflict */
	{ 8004, MYSQL_REFUSED },   /* TiDB: transaction too large: half of it may fit */
	{ 8005, MYSQL_BUSY },      /* TiDB: write conflict */
	{ 8022, MYSQL_BUSY },      /* TiDB: COMMIT failed, to be tried again */
	{ 8025, MYSQL_REFUSED },   /* TiDB: entry too large */
	{ 8027, MYSQL_BUSY },      /* TiDB: information schema out of date */
	{ 8028, MYSQL_BUSY },      /* TiDB: information schema changed during the transaction */
	{ 8121, MYSQL_FAILED },    /* TiDB: privilege check failed */
	{ 8245, MYSQL_BUSY },      /* TiDB: a schema change in a plan's cache */
	{ 9001, MYSQL_BUSY },      /* TiDB: PD timeout */
	{ 9002, MYSQL_BUSY },      /* TiDB: TiKV timeout */
	{ 9003, MYSQL_BUSY },      /* TiDB: TiKV busy */
	{ 9004, MYSQL_BUSY },      /* TiDB: resolving locks timed out */
	{ 9005, MYSQL_BUSY },      /* TiDB: region unavailable */
	{ 9007, MYSQL_BUSY },      /* TiDB: write conflict */
	{ 9010, MYSQL_BUSY },      /* TiDB: TiKV cannot handle it now */
	{ 9011, MYSQL_BUSY },      /* TiDB: TiFlash busy */
	{ 9012, MYSQL_BUSY },      /* TiDB: TiFlash timeout */
	{ 9013, MYSQL_BUSY },      /* TiDB: TiFlash: stale */
};

static int by_number(const void *number, const void *row)
{
	return (int)*(const unsigned *)number - (int)((const struct known *)row)->number;
}

enum mysql_kind mysql_errors_kind(const struct mysql_failure *failure)
{
	const struct known *row = bsearch(&failure->number, known, sizeof known / sizeof *known, sizeof *known, by_number);

	if (row)
		return row->kind;
	/* TiDB says most of what it has no number for with 1105; these two it asks to try again. */
	if (failure->number == 1105)
		return strstr(failure->text, "Information schema is out of date") || strstr(failure->text, "is changed") ? MYSQL_BUSY : MYSQL_UNKNOWN;
	if (failure->lost)
		return MYSQL_ELSEWHERE;
	/* 22: data exception, 23: integrity constraint; 08: connection, 40: transaction rollback. */
	if (strncmp(failure->sqlstate, "22", 2) == 0 || strncmp(failure->sqlstate, "23", 2) == 0)
		return MYSQL_REFUSED;
	if (strncmp(failure->sqlstate, "08", 2) == 0)
		return MYSQL_ELSEWHERE;
	if (strncmp(failure->sqlstate, "40", 2) == 0)
		return MYSQL_BUSY;
	return MYSQL_UNKNOWN;
}

bool mysql_errors_passing(const struct mysql_failure *failure)
{
	enum { TLS = 2026 }; /* the connection ends with it too, but it is the settings that are wrong */
	enum mysql_kind kind = mysql_errors_kind(failure);

	return (kind == MYSQL_BUSY || kind == MYSQL_ELSEWHERE) && failure->number != TLS;
}

int mysql_errors_say(const struct mysql_failure *failure, struct error *err)
{
	error_set(err, "%s (error %u, SQLSTATE %s)", failure->text, failure->number, failure->sqlstate);
	err->passing = mysql_errors_passing(failure);
	return -1;
}

const char *mysql_errors_advice(const struct mysql_failure *failure)
{
	switch (failure->number) {
	case 1045:
	case 1698:
		return "; check user and password in the job's sink, and that the user may connect from this host";
	case 1044:
		return "; GRANT the user access to this database";
	case 1049:
		return "; create the database, or correct `database` in the job's sink";
	case 1130:
		return "; create a user of that name for this host";
	case 1142:
	case 1143:
	case 1227:
		return "; GRANT this privilege to the user";
	case 2002:
	case 2003:
	case 2005:
	case 2013:
		return "; check host and port in the job's sink, and that the database is running";
	case 2026:
		return "; check `tls` in the job's sink: ca (the authority that signed the server's certificate), cert, key";
	case 2059:
	case 2061:
		return "; create the user with an authentication plugin that the client library has, such as mysql_native_password";
	case 3159:
		return "; set tls = true in the job's sink";
	default:
		return "";
	}
}
