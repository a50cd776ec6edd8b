#include "run/database_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/slice.h"

#define FORM "write mysql://USER@HOST:PORT/DATABASE (or mariadb://, tidb://), or sqlite:PATH"

static const struct {
	const char *kind;
	int32_t port;
} servers[] = { { "mysql", 3306 }, { "mariadb", 3306 }, { "tidb", 4000 } };

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The part with its %XX as bytes, into `room` bytes with a NUL; what names the part in messages. */
static int decode(struct slice part, const char *what, char *out, size_t room, struct error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < part.n; i++) {
		int byte = (unsigned char)part.p[i];

		if (byte == '%') {
			int high = i + 1 < part.n ? digit(part.p[i + 1]) : -1, low = i + 2 < part.n ? digit(part.p[i + 2]) : -1;

			if (high < 0 || low < 0 || (byte = high * 16 + low) == 0)
				return error_set(
					err, "--from-db: the %s has a %% without a byte's two hexadecimal digits behind it; %% itself is %%25", what);
			i += 2;
		}
		if (n + 1 >= room)
			return error_set(err, "--from-db: the %s is too long", what);
		out[n++] = (char)byte;
	}
	out[n] = 0;
	return 0;
}

static struct slice between(const char *from, const char *to)
{
	return (struct slice){ from, (size_t)(to - from) };
}

static int read_port(struct database_url *url, struct slice text, struct error *err)
{
	char digits[6] = "";

	if (text.n && text.n < sizeof digits && slice_is_digits(text)) {
		memcpy(digits, text.p, text.n);
		url->port = atoi(digits);
		if (url->port > 0 && url->port <= 65535)
			return 0;
	}
	return error_set(err, "--from-db: the port is no number from 1 to 65535");
}

/* host, host:port or [address]:port */
static int read_host(struct database_url *url, struct slice place, struct error *err)
{
	const char *end = place.p + place.n, *colon = place.n ? memchr(place.p, ':', place.n) : NULL;
	struct slice host = between(place.p, colon ? colon : end);

	if (place.n && *place.p == '[') {
		const char *close = memchr(place.p, ']', place.n);

		if (!close || (close + 1 < end && close[1] != ':'))
			return error_set(err, "--from-db: the host's [ has no ]");
		host = between(place.p + 1, close);
		colon = close + 1 < end ? close + 1 : NULL;
	}
	if (!host.n)
		return error_set(err, "--from-db: the host is missing; " FORM);
	if (colon && read_port(url, between(colon + 1, end), err) < 0)
		return -1;
	return decode(host, "host", url->host, sizeof url->host, err);
}

static int read_user(struct database_url *url, struct slice text, struct error *err)
{
	const char *colon = text.n ? memchr(text.p, ':', text.n) : NULL, *end = text.p + text.n;

	if (decode(between(text.p, colon ? colon : end), "user", url->user, sizeof url->user, err) < 0)
		return -1;
	if (!*url->user)
		return error_set(err, "--from-db: the user is missing; " FORM);
	url->has_password = colon != NULL;
	return colon ? decode(between(colon + 1, end), "password", url->password, sizeof url->password, err) : 0;
}

static int read_server(struct database_url *url, const char *text, struct error *err)
{
	const char *slash, *at, *query;

	/* A password may hold an @ that nobody has encoded: the last one before the path ends it. */
	at = strrchr(text, '@');
	slash = at ? strchr(at, '/') : NULL;
	if (!at)
		return error_set(err, "--from-db: the user is missing; " FORM);
	if (!slash || !slash[1])
		return error_set(err, "--from-db: the database is missing; " FORM);
	query = strpbrk(slash + 1, "?#/");
	if (query)
		return error_set(err, "--from-db: nothing follows the database's name, and here stands a %c (in the name it is %%%02X)", *query,
				 *query);
	if (read_user(url, between(text, at), err) < 0 || read_host(url, between(at + 1, slash), err) < 0)
		return -1;
	return decode(slice_of(slash + 1), "database", url->database, sizeof url->database, err);
}

int database_url_parse(struct database_url *url, const char *text, struct error *err)
{
	*url = (struct database_url){ 0 };
	if (strncasecmp(text, "sqlite:", 7) == 0) {
		snprintf(url->kind, sizeof url->kind, "sqlite");
		text += strncmp(text + 7, "//", 2) == 0 ? 9 : 7;
		if (!*text || strlen(text) >= sizeof url->database)
			return error_set(err, "--from-db: sqlite: the path of a file is needed");
		snprintf(url->database, sizeof url->database, "%s", text);
		return 0;
	}
	for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
		size_t n = strlen(servers[i].kind);

		if (strncasecmp(text, servers[i].kind, n) != 0 || strncmp(text + n, "://", 3) != 0)
			continue;
		snprintf(url->kind, sizeof url->kind, "%s", servers[i].kind);
		url->port = servers[i].port;
		return read_server(url, text + n + 3, err);
	}
	return error_set(err, "--from-db: that is no database's address; " FORM);
}
