#include "flow/bundle.h"

#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static char *copy_of(const char *bytes, size_t size)
{
	char *copy = malloc(size + 1);

	BUG_IF(!copy);
	memcpy(copy, bytes, size);
	copy[size] = 0;
	return copy;
}

static const struct bundle_file *find(const struct bundle *bundle, const char *path)
{
	for (size_t i = 0; i < bundle->count; i++)
		if (strcmp(bundle->files[i].path, path) == 0)
			return &bundle->files[i];
	return NULL;
}

void bundle_add(struct bundle *bundle, const char *path, const char *text, size_t size)
{
	bundle->files = realloc(bundle->files, (bundle->count + 1) * sizeof *bundle->files);
	BUG_IF(!bundle->files);
	bundle->files[bundle->count++] = (struct bundle_file){ copy_of(path, strlen(path)), copy_of(text, size), size };
}

const struct bundle_file *bundle_get(struct bundle *bundle, const char *path, struct error *err)
{
	const struct bundle_file *file = find(bundle, path);
	size_t size;
	char *text;

	if (file)
		return file;
	if (!bundle->read) {
		error_set(err, "%s was not there when the job was loaded", path);
		return NULL;
	}
	if (bundle->read(bundle->folder, path, &text, &size, err) < 0)
		return NULL;
	bundle_add(bundle, path, text, size);
	free(text);
	return find(bundle, path);
}

static int by_path(const void *a, const void *b)
{
	const struct bundle_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

void bundle_seal(struct bundle *bundle)
{
	XXH64_hash_t digest = 0;

	bundle->read = NULL;
	if (bundle->count)
		qsort(bundle->files, bundle->count, sizeof *bundle->files, by_path);
	for (size_t i = 0; i < bundle->count; i++) {
		const struct bundle_file *file = &bundle->files[i];

		if (bundle->job && strcmp(file->path, bundle->job) == 0)
			continue;
		digest = XXH3_64bits_withSeed(file->path, strlen(file->path), digest);
		digest = XXH3_64bits_withSeed(file->text, file->size, digest);
	}
	snprintf(bundle->version, sizeof bundle->version, "%016llx", (unsigned long long)digest);
}

static void pack(struct buf *out, const char *bytes, size_t size)
{
	uint64_t length = size;

	buf_append(out, &length, sizeof length);
	buf_append(out, bytes, size);
}

void bundle_pack(const struct bundle *bundle, struct buf *out)
{
	pack(out, bundle->folder, strlen(bundle->folder));
	pack(out, bundle->job, strlen(bundle->job));
	for (size_t i = 0; i < bundle->count; i++) {
		pack(out, bundle->files[i].path, strlen(bundle->files[i].path));
		pack(out, bundle->files[i].text, bundle->files[i].size);
	}
}

static bool unpack(struct slice *packed, struct slice *part)
{
	uint64_t length;

	if (packed->n < sizeof length)
		return false;
	memcpy(&length, packed->p, sizeof length);
	if (length > packed->n - sizeof length)
		return false;
	*part = (struct slice){ packed->p + sizeof length, length };
	packed->p += sizeof length + length;
	packed->n -= sizeof length + length;
	return true;
}

int bundle_unpack(struct bundle *bundle, struct slice packed, struct error *err)
{
	struct slice folder, job, path, text;

	*bundle = (struct bundle){ 0 };
	if (!unpack(&packed, &folder) || !unpack(&packed, &job))
		goto cut;
	bundle->folder = copy_of(folder.p, folder.n);
	bundle->job = copy_of(job.p, job.n);
	while (packed.n) {
		char *name;

		if (!unpack(&packed, &path) || !unpack(&packed, &text))
			goto cut;
		name = copy_of(path.p, path.n);
		bundle_add(bundle, name, text.p, text.n);
		free(name);
	}
	bundle_seal(bundle);
	return 0;
cut:
	bundle_free(bundle);
	return error_set(err, "the bundle of scripts is cut");
}

void bundle_free(struct bundle *bundle)
{
	for (size_t i = 0; i < bundle->count; i++) {
		free(bundle->files[i].path);
		free(bundle->files[i].text);
	}
	free(bundle->files);
	free(bundle->folder);
	free(bundle->job);
	*bundle = (struct bundle){ 0 };
}
