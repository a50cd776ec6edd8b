/* A job from the inside, for run/job*.c and the worker. */
#ifndef RUN_JOB_PRIVATE_H
#define RUN_JOB_PRIVATE_H

#include <event2/event.h>
#include <lua.h>

#include "flow/flow.h"
#include "flow/script.h"
#include "run/job.h"

struct job {
	struct bundle *bundle; /* borrowed */
	struct script_host *host;
	struct shapes *shapes; /* of the checks and tests; a flow has its own */
	struct reading_settings readings;
	struct format_options format_options;
	const struct format *format; /* NULL: the host's own */
	char *name, *sink_name, *outside;
	bool bounded;
	struct job_script { /* those that job.lua names, or its folder holds */
		char *path, *served;
	} * scripts;
	size_t script_count, loaded;
};

/* What a run adds to the job's source. */
struct job_run {
	const struct run_options *options;
	int32_t worker, workers;
	enum rekey rekey; /* OUT: reads the source for scripts with `repartition`, in a group of its own; IN: their topics too */
	int64_t run_started_ms;
	bool restarted;
	const char *instance; /* group.instance.id; may be NULL */
	bool alone;           /* only looks: no member of the consumer group, nothing is committed */
	const char *only_topic;
	int32_t only_partition; /* with `alone`: this one, unless only_topic is NULL */
	int64_t tail;           /* with `alone`: of a topic about so many of its last messages; 0: all of it */
};

/* run/job_connect.c: the source and sink that job.lua names. NULL with err. */
struct source *job_source(struct job *job, struct event_base *loop, const struct job_run *run, struct error *err);
struct sink *job_sink(struct job *job, struct event_base *loop, struct error *err); /* with its side sinks */
struct sink *job_sink_alone(struct job *job, struct event_base *loop, struct error *err);
/* The consumer group; returns out. */
const char *job_group(struct job *job, enum rekey rekey, char out[300]);
/* The sink of REKEY_OUT: the topics of `repartition`. */
struct sink *job_rekey_sink(struct job *job, struct event_base *loop, struct error *err);
/* Where they have to know of each other, before either begins. */
int job_join(struct job *job, const struct job_run *run, struct sink *sink, struct source *source, struct error *err);
/* The registry that the job's format needs; *schemas is NULL where it needs none. wake: what it was asked for has come. */
int job_schemas(struct job *job, struct event_base *loop, void (*wake)(void *ctx), void *ctx, struct schemas **schemas, struct error *err);

/* What scripts print, to the log. */
void job_print_line(void *ctx, struct slice text);

/* A field of job.lua by its path ("source.kind"); the text is Lua's. NULL where there is none. */
const char *job_text(struct job *job, const char *path);
/* Each text of a list, lent. */
void job_each(struct job *job, const char *path, void (*each)(void *ctx, const char *text), void *ctx);
/* A path as job.lua has it, which is relative to it. out: PATH_MAX bytes. */
void job_resolve(const struct job *job, const char *path, char *out);
/* A number, or `otherwise`. */
int64_t job_number(struct job *job, const char *path, int64_t otherwise);
bool job_flag(struct job *job, const char *path);
/* Progress and state are in the target; else the consumer group keeps how far the job has come, and state is nowhere. */
bool job_keeps_progress(const struct job *job);
/* All that it does stays within one cluster of Kafka, whose transactions can make it exactly once. */
bool job_stays_in_kafka(struct job *job);
/* A script of it keeps state, and this sink has the table for that: where a sink is only looked at, nobody has made it. */
bool job_keeps_state(struct job *job, struct sink *sink);
enum on_control job_control(struct job *job, const char *field); /* on_ddl, on_truncate */
/* Pushes the field, nil where there is none. */
void job_push(struct job *job, const char *path);

#endif
