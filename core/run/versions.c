#include "run/versions.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "run/job_private.h"

/* A job and the bundle it was made of, which live and end together. */
struct version {
	struct bundle bundle;
	struct job *job;
	bool met; /* it fits what runs, and its targets are described */
};

static void version_free(struct version *version)
{
	if (!version)
		return;
	job_free(version->job);
	bundle_free(&version->bundle);
	free(version);
}

static struct version *version_new(const struct versions *versions, struct slice packed, struct error *err)
{
	struct version *version = calloc(1, sizeof *version);

	BUG_IF(!version);
	if (bundle_unpack(&version->bundle, packed, err) < 0 ||
	    !(version->job = job_begin(&version->bundle, versions->watch, versions->suspects, err))) {
		version_free(version);
		return NULL;
	}
	script_host_set_rekey(version->job->host, versions->rekey);
	return version;
}

static int load_all(struct job *job, struct error *err)
{
	int more;

	do
		more = job_load(job, err);
	while (more == 1);
	return more;
}

int versions_open(struct versions *versions, struct slice packed, struct error *err)
{
	versions->used = version_new(versions, packed, err);
	return versions->used ? load_all(versions->used->job, err) : -1;
}

void versions_free(struct versions *versions)
{
	version_free(versions->next);
	version_free(versions->prepared);
	version_free(versions->preparing);
	version_free(versions->used);
}

struct job *versions_job(const struct versions *versions)
{
	return versions->used ? versions->used->job : NULL;
}

int versions_bind(struct versions *versions, struct error *err)
{
	return script_host_bind(versions->used->job->host, versions->sink, versions->shapes, &versions->used->job->readings, NULL, NULL, err);
}

/* A reload is of scripts. The source goes on as it is, and with it what its messages mean, whatever the new job.lua says of that. */
static int keep_format(const struct job *running, struct job *next, struct error *err)
{
	next->format = running->format;
	next->readings = running->readings;
	if (running->format || script_host_has_format(next->host))
		return 0;
	return error_set(err, "the source's format is no sl.format(...) any more: that needs a restart");
}

/* Rows that the running scripts write until the swap could not be read by older ones. */
static int keep_state(const struct job *running, const struct job *next, struct error *err)
{
	for (uint32_t i = 0; i < script_host_count(next->host); i++) {
		const struct script *script = script_host_script(next->host, i);

		for (uint32_t k = 0; k < script_host_count(running->host); k++) {
			const struct script *old = script_host_script(running->host, k);

			if (script->stateful && old->stateful && slice_equal(script->name, old->name) && script->state_version < old->state_version)
				return error_set(err, "%.*s: state: it has version %d, and the scripts that run have version %d of it already",
						 SLICE_ARG(script->path), script->state_version, old->state_version);
		}
	}
	return 0;
}

static struct slice repartition_of(const struct job *job, struct slice path)
{
	for (uint32_t i = 0; i < script_host_count(job->host); i++)
		if (slice_equal(script_host_script(job->host, i)->path, path))
			return script_host_script(job->host, i)->repartition;
	return SLICE("");
}

/* Who reads which topics is settled at the start. */
static int keep_topics(const struct job *running, const struct job *next, struct error *err)
{
	for (uint32_t i = 0; i < script_host_count(next->host); i++) {
		const struct script *script = script_host_script(next->host, i);

		if (!slice_equal(script->repartition, repartition_of(running, script->path)))
			return error_set(err, "%.*s: repartition is not what it was: that needs a restart", SLICE_ARG(script->path));
	}
	return 0;
}

static int meet(const struct versions *versions, struct version *version, struct error *err)
{
	struct job *running = versions->used->job, *job = version->job;

	if (keep_format(running, job, err) < 0 || keep_state(running, job, err) < 0 || keep_topics(running, job, err) < 0 ||
	    script_host_meet(job->host, versions->sink, versions->shapes, &job->readings, err) < 0)
		return -1;
	version->met = true;
	return 0;
}

static enum versions_step make_more(const struct versions *versions, struct version *version, bool described, struct error *err)
{
	struct job *job = version->job;
	int more = job_load(job, err);

	if (more == 0 && version->met)
		more = script_host_settle(job->host, NULL, NULL, err);
	else if (more == 0 && !described)
		return VERSIONS_DESCRIBES;
	else if (more == 0)
		more = meet(versions, version, err) < 0 ? -1 : 1;
	return more < 0 ? VERSIONS_FAILED : more ? VERSIONS_MORE : VERSIONS_PREPARED;
}

static void give(struct versions *versions, struct version *next, bool prepared)
{
	versions->next = next;
	versions->next_is_prepared = prepared;
	flow_swap(versions->flow, next->job->host);
}

/* ---- a reload ---- */

int versions_prepare(struct versions *versions, struct slice packed, struct error *err)
{
	BUG_IF(versions->next && versions->next_is_prepared); /* the master waits for SWAPPED before it begins another reload */
	versions_forget(versions);
	versions->preparing = version_new(versions, packed, err);
	return versions->preparing ? 0 : -1;
}

enum versions_step versions_prepare_more(struct versions *versions, bool described, struct error *err)
{
	enum versions_step step = make_more(versions, versions->preparing, described, err);

	if (step == VERSIONS_PREPARED)
		versions->prepared = versions->preparing;
	else if (step == VERSIONS_FAILED)
		version_free(versions->preparing);
	if (step == VERSIONS_PREPARED || step == VERSIONS_FAILED)
		versions->preparing = NULL;
	return step;
}

void versions_forget(struct versions *versions)
{
	version_free(versions->prepared);
	version_free(versions->preparing);
	versions->prepared = versions->preparing = NULL;
}

void versions_swap(struct versions *versions)
{
	struct version *prepared = versions->prepared;

	if (!prepared)
		return;
	versions->swap_due = versions->next != NULL;
	if (versions->swap_due)
		return;
	versions->prepared = NULL;
	give(versions, prepared, true);
}

bool versions_swapped(struct versions *versions)
{
	bool awaited = versions->next_is_prepared;

	version_free(versions->used);
	versions->used = versions->next;
	versions->next = NULL;
	versions->next_is_prepared = false;
	if (versions->swap_due)
		versions_swap(versions);
	return awaited;
}

/* ---- the target's schema ---- */

static void rebind(struct versions *versions)
{
	struct buf packed = BUF_INIT;
	struct version *next;
	struct error err;
	enum versions_step step;

	bundle_pack(&versions->used->bundle, &packed);
	next = version_new(versions, buf_view(&packed), &err);
	buf_free(&packed);
	step = next ? VERSIONS_MORE : VERSIONS_FAILED;
	while (step == VERSIONS_MORE)
		step = make_more(versions, next, true, &err);
	if (step == VERSIONS_PREPARED) {
		log_info("the target's schema has changed: the scripts are bound to it as it is now");
		versions->unfit.text[0] = 0;
		give(versions, next, false);
	} else if (strcmp(versions->unfit.text, err.text) != 0) { /* it is looked at again and again */
		log_error("the target's schema has changed, and the scripts do not fit it: %s", err.text);
		versions->unfit = err;
	}
	if (step == VERSIONS_FAILED)
		version_free(next);
}

void versions_look(struct versions *versions)
{
	struct error err;

	if (versions->next || !versions->sink) /* bound a moment ago, or to nothing */
		return;
	switch (script_host_schema_changed(versions->used->job->host, &err)) {
	case 1:
		rebind(versions);
		break;
	case 0:
		versions->unfit.text[0] = 0;
		break;
	default: /* the target is away: transactions say so */
		break;
	}
}
