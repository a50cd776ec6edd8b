#include "run/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/doctor_private.h"

static const char *const finding_names[DOCTOR_FINDINGS] = { "ok", "warn", "fail" };

/* ---- what is said ---- */

static void put_json(struct buf *line, const char *name, const char *text)
{
	buf_printf(line, ",\"%s\":", name);
	if (text)
		buf_json_string(line, slice_of(text));
	else
		buf_text(line, "null");
}

void doctor_say(struct doctor *doctor, enum finding finding, const char *check, const char *about, const char *change, const char *format, ...)
{
	struct buf line = BUF_INIT, text = BUF_INIT;
	va_list args;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	doctor->counts[finding]++;
	if (doctor->json) {
		buf_printf(&line, "{\"finding\":\"%s\",\"check\":\"%s\"", finding_names[finding], check);
		put_json(&line, "about", about);
		put_json(&line, "text", buf_cstr(&text));
		put_json(&line, "change", change);
		buf_char(&line, '}');
	} else {
		buf_printf(&line, "%-5s %-10s ", finding_names[finding], check);
		buf_printf(&line, "%s%s%s%s%s", about ? about : "", about ? ": " : "", buf_cstr(&text), change ? " -> " : "", change ? change : "");
		for (size_t i = 0; i < line.n; i++) /* names of others are not to speak to the terminal */
			if ((unsigned char)line.p[i] < ' ' || line.p[i] == 127)
				line.p[i] = ' ';
	}
	puts(buf_cstr(&line));
	fflush(stdout); /* the next answer may take seconds */
	buf_free(&line);
	buf_free(&text);
}

char *doctor_span(int64_t ms, char out[32])
{
	static const struct {
		int64_t ms;
		const char *name;
	} units[] = { { 86400000, "day" }, { 3600000, "hour" }, { 60000, "minute" }, { 1000, "second" } };
	size_t i = 0;

	while (i < 3 && ms < 2 * units[i].ms)
		i++;
	snprintf(out, 32, "%lld %s%s", (long long)(ms / units[i].ms), units[i].name, ms / units[i].ms == 1 ? "" : "s");
	return out;
}

/* ---- what is asked ---- */

int64_t doctor_number(struct slice cell)
{
	char digits[32];

	snprintf(digits, sizeof digits, "%.*s", SLICE_ARG(cell));
	return strtoll(digits, NULL, 10);
}

int doctor_ask(struct doctor *doctor, struct buf *statements, void (*row)(void *ctx, const struct slice *cells, unsigned count), void *ctx,
	       struct error *err)
{
	int result = doctor->sink->ops->query(doctor->sink, buf_view(statements), row, ctx, err);

	buf_clear(statements);
	return result;
}

bool doctor_has_table(struct doctor *doctor, const char *name)
{
	struct arena arena = ARENA_INIT;
	struct target table = { .arena = &arena, .name = slice_of(name) };
	struct error err;
	bool has = doctor->sink->ops->describe(doctor->sink, &table, &err) == 0 && table.exists;

	arena_free(&arena);
	return has;
}

/* ---- the command ---- */

int doctor_run(const struct run_options *options)
{
	struct bundle bundle = { 0 };
	struct error err = { .text = "" };
	struct doctor doctor = { .options = options, .json = !isatty(STDOUT_FILENO), .job = job_read(&bundle, options->job_path, &err) };
	const unsigned *counts = doctor.counts;

	if (!doctor.job) {
		fprintf(stderr, "streamlua: %s\n", err.text);
		bundle_free(&bundle);
		return 2;
	}
	doctor.loop = event_base_new();
	BUG_IF(!doctor.loop);
	doctor.dialect = strcmp(job_sink_name(doctor.job), "sqlite") == 0 ? SQL_SQLITE : SQL_MYSQL;
	doctor_target(&doctor);
	doctor_tables(&doctor);
	doctor_source(&doctor);
	doctor_limits(&doctor);
	if (doctor.sink)
		doctor.sink->ops->close(doctor.sink);
	job_free(doctor.job);
	bundle_free(&bundle);
	event_base_free(doctor.loop);
	fprintf(stderr, "%u ok, %u to look at, %u wrong\n", counts[DOCTOR_OK], counts[DOCTOR_WARN], counts[DOCTOR_FAIL]);
	return counts[DOCTOR_FAIL] ? 1 : 0;
}
