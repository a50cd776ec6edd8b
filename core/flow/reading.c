/* Which meaning the values of a source column have on their way into a target column. */
#include "flow/target.h"

static bool is_temporal(const struct target_column *to)
{
	return to->type == COLUMN_DATE || to->type == COLUMN_DATETIME || to->type == COLUMN_TIMESTAMP || to->type == COLUMN_TIME;
}

static bool is_time(uint8_t meaning)
{
	return meaning >= MEANING_DAYS && meaning <= MEANING_ISO;
}

static bool is_bytes(uint8_t meaning)
{
	return meaning == MEANING_BASE64 || meaning == MEANING_LATIN1 || meaning == MEANING_GO_QUOTED;
}

static struct reading reading(enum meaning meaning, int16_t scale, uint32_t length)
{
	return (struct reading){ .meaning = (uint8_t)meaning, .scale = scale, .length = (int32_t)length };
}

/* A row that is written as it stands: only what the database would not take is changed. */
static struct reading plain(const struct target_column *to, const struct reading_settings *settings)
{
	switch ((enum column_type)to->type) {
	case COLUMN_INTEGER:
	case COLUMN_DECIMAL:
	case COLUMN_YEAR:
		return reading(MEANING_NUMERIC, 0, 0);
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE:
		return reading(MEANING_DOUBLE, 0, 0);
	case COLUMN_BIT:
		return reading(MEANING_BIT_NUMBER, 0, to->length);
	case COLUMN_BINARY:
	case COLUMN_BYTES:
		return settings->binary ? reading((enum meaning)settings->binary, 0, to->type == COLUMN_BINARY ? to->length : 0)
					: reading(MEANING_PLAIN, 0, 0);
	case COLUMN_GEOMETRY:
		return reading(MEANING_GEOMETRY, 0, 0);
	case COLUMN_DATETIME:
	case COLUMN_TIMESTAMP:
		return reading(MEANING_ZONED, to->scale, 0);
	case COLUMN_DATE:
	case COLUMN_TIME:
		return reading(MEANING_ISO, to->scale, 0);
	case COLUMN_SET:
		return reading(MEANING_SET, 0, 0);
	default:
		return reading(MEANING_PLAIN, 0, 0);
	}
}

/* What change captures other than Debezium write differently from a row as it stands. None of them writes bytes as they are. */
static struct reading captured(const struct target_column *to, const struct reading_settings *settings)
{
	static const uint8_t bytes[] = { [CAPTURE_MAXWELL] = MEANING_BASE64, [CAPTURE_CANAL] = MEANING_LATIN1, [CAPTURE_TICDC] = MEANING_BASE64 };
	bool maxwell = settings->capture == CAPTURE_MAXWELL;
	enum meaning meaning;

	switch ((enum column_type)to->type) {
	case COLUMN_BINARY:
	case COLUMN_BYTES:
		meaning = settings->binary ? (enum meaning)settings->binary : (enum meaning)bytes[settings->capture];
		return reading(meaning, 0, to->type == COLUMN_BINARY ? to->length : 0);
	case COLUMN_ENUM:
		return reading(maxwell ? MEANING_PLAIN : MEANING_NUMERIC, 0, 0);
	case COLUMN_SET:
		return reading(maxwell ? MEANING_SET : MEANING_NUMERIC, 0, 0);
	case COLUMN_JSON:
		return reading(maxwell ? MEANING_JSON : MEANING_PLAIN, 0, 0);
	case COLUMN_GEOMETRY:
		return reading(maxwell ? MEANING_WKT : (enum meaning)bytes[settings->capture], 0, 0);
	default:
		return plain(to, settings);
	}
}

/* A zone is the server's that printed a TIMESTAMP; a DATETIME has none. */
static struct reading in_zone(struct reading found, const struct target_column *to, const struct reading_settings *settings)
{
	if (found.meaning == MEANING_ZONED && to->type == COLUMN_TIMESTAMP)
		found.length = settings->zone_minutes;
	return found;
}

/* A column with a schema that calls it a plain string holds bytes only if the settings say so: by default it is the text. */
static struct reading bytes(bool declared, const struct target_column *to, const struct reading_settings *settings)
{
	uint32_t length = to->type == COLUMN_BINARY ? to->length : 0;

	if (settings->binary == MEANING_UNKNOWN)
		return declared ? reading(MEANING_PLAIN, 0, 0) : reading(MEANING_BASE64, 0, length);
	return reading((enum meaning)settings->binary, 0, length);
}

static struct reading counted(const struct target_column *to, const struct reading_settings *settings)
{
	static const uint8_t datetimes[] = { MEANING_DATETIME_MS, MEANING_DATETIME_US, MEANING_DATETIME_NS };
	static const uint8_t times[] = { MEANING_TIME_MS, MEANING_TIME_US, MEANING_TIME_NS };
	bool time = to->type == COLUMN_TIME;
	int unit = to->scale <= 3 ? 0 : 1; /* milliseconds or microseconds */

	switch ((enum time_mode)settings->time) {
	case TIME_MODE_ADAPTIVE_MICROSECONDS:
		unit = time ? 1 : unit;
		break;
	case TIME_MODE_ADAPTIVE:
		break;
	case TIME_MODE_CONNECT:
		unit = 0;
		break;
	case TIME_MODE_MICROSECONDS:
		unit = 1;
		break;
	case TIME_MODE_NANOSECONDS:
		unit = 2;
		break;
	}
	return reading((enum meaning)(time ? times : datetimes)[unit], to->scale, 0);
}

static struct reading decimal(bool declared, const struct target_column *to, const struct reading_settings *settings)
{
	if (declared || settings->decimal == MEANING_PLAIN)
		return reading(MEANING_NUMERIC, 0, 0);
	return reading(settings->decimal == MEANING_DECIMAL ? MEANING_DECIMAL : MEANING_DECIMAL_GUESS, to->scale, 0);
}

/* Change capture as Debezium writes it, where no schema says more. declared: there was one, and it has no name for the type. */
static struct reading by_target(bool declared, const struct target_column *to, const struct reading_settings *settings)
{
	switch ((enum column_type)to->type) {
	case COLUMN_INTEGER:
		/* The only integers that do not fit what carries them; no schema marks them. */
		if (to->is_unsigned && to->length >= 64)
			return reading(MEANING_UNSIGNED, 0, 0);
		/* NUMERIC(10,0) of another database, or BIGINT UNSIGNED as "precise". Only where the settings say so: any word of four letters
		 * is base64 of something. */
		return !declared && settings->decimal == MEANING_DECIMAL ? reading(MEANING_DECIMAL, 0, 0) : reading(MEANING_NUMERIC, 0, 0);
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE:
		return reading(MEANING_DOUBLE, 0, 0);
	case COLUMN_YEAR:
		return reading(MEANING_NUMERIC, 0, 0);
	case COLUMN_DECIMAL:
		return decimal(declared, to, settings);
	case COLUMN_BIT:
		return reading(declared ? MEANING_BIT_NUMBER : MEANING_BITS, 0, to->length);
	case COLUMN_BINARY:
	case COLUMN_BYTES:
		return bytes(declared, to, settings);
	case COLUMN_SET:
		return reading(MEANING_SET, 0, 0);
	case COLUMN_DATE:
		return reading(MEANING_DAYS, 0, 0);
	case COLUMN_DATETIME:
	case COLUMN_TIME:
		return counted(to, settings);
	case COLUMN_TIMESTAMP:
		return reading(MEANING_ZONED, to->scale, 0);
	case COLUMN_GEOMETRY:
		return reading(MEANING_GEOMETRY, 0, 0);
	case COLUMN_UNKNOWN:
	case COLUMN_TEXT:
	case COLUMN_ENUM:
	case COLUMN_JSON:
		break;
	}
	return reading(MEANING_PLAIN, 0, 0);
}

struct reading reading_resolve(const struct column *from, const struct target_column *to, const struct reading_settings *settings)
{
	struct reading found = from->declared;
	bool declared = found.meaning != MEANING_UNKNOWN;

	if (found.meaning > MEANING_PLAIN) {
		if (is_time(found.meaning))
			found.scale = to && is_temporal(to) ? to->scale : -1;
		if (value_is_bits(found) && to && to->type == COLUMN_BIT)
			found.length = (int32_t)to->length;
		if (is_bytes(found.meaning) && to && to->type == COLUMN_BINARY)
			found.length = (int32_t)to->length;
		if (found.meaning == MEANING_ZONED)
			found.length = settings->zone_minutes;
		return found;
	}
	if (!to)
		return reading(MEANING_PLAIN, 0, 0);
	if (settings->as_seen)
		return plain(to, &(struct reading_settings){ 0 });
	if (!settings->plain)
		return by_target(declared, to, settings);
	return in_zone(declared || !settings->capture ? plain(to, settings) : captured(to, settings), to, settings);
}
