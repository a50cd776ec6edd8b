#include "io/sqlite_takeover.h"

/* The rows found, and room for the lanes that have none. */
static int load(sqlite3_stmt *select, int32_t lanes, struct arena *arena, struct progress_loaded *loaded)
{
	size_t cap = (size_t)lanes;
	int code;

	*loaded = (struct progress_loaded){ .next_offset = -1, .watermark = INT64_MIN, .lanes = arena_zalloc(arena, cap * sizeof *loaded->lanes) };
	while ((code = sqlite3_step(select)) == SQLITE_ROW) {
		struct progress_lane lane = { .lane = sqlite3_column_int(select, 0),
					      .next_offset = sqlite3_column_int64(select, 1),
					      .seq = sqlite3_column_int64(select, 2) };
		int64_t epoch = sqlite3_column_int64(select, 4);

		lane.done = arena_copy(arena, (struct slice){ sqlite3_column_blob(select, 3), (size_t)sqlite3_column_bytes(select, 3) });
		if (loaded->lane_count == cap) {
			struct progress_lane *more = arena_alloc(arena, 2 * cap * sizeof *more);

			memcpy(more, loaded->lanes, cap * sizeof *more);
			loaded->lanes = more;
			cap *= 2;
		}
		loaded->lanes[loaded->lane_count++] = lane;
		if (lane.next_offset > loaded->next_offset)
			loaded->next_offset = lane.next_offset;
		if (epoch > loaded->epoch)
			loaded->epoch = epoch;
		if (sqlite3_column_type(select, 5) != SQLITE_NULL && sqlite3_column_int64(select, 5) > loaded->watermark)
			loaded->watermark = sqlite3_column_int64(select, 5);
	}
	loaded->fresh = loaded->next_offset < 0;
	return code;
}

static int prepare(sqlite3 *db, const char *text, const char *job, const struct source_partition_name *partition, sqlite3_stmt **statement)
{
	int code = sqlite3_prepare_v2(db, text, -1, statement, NULL);

	if (code != SQLITE_OK)
		return code;
	sqlite3_bind_text(*statement, 1, job, -1, SQLITE_STATIC);
	sqlite3_bind_text(*statement, 2, partition->topic.p, (int)partition->topic.n, SQLITE_STATIC);
	sqlite3_bind_int(*statement, 3, partition->partition);
	return SQLITE_OK;
}

/* What is parked of the partition. */
static int load_parked(sqlite3 *db, const char *job, const struct source_partition_name *partition, struct arena *arena,
		       struct progress_loaded *loaded)
{
	static const char text[] = "SELECT `offset`, part, `keys`, coalesce(length(`key`), 0) + coalesce(length(`value`), 0), "
				   "CAST((julianday('now') - julianday(at)) * 86400000 AS INTEGER) FROM streamlua_parked "
				   "WHERE job = ?1 AND topic = ?2 AND `partition` = ?3 ORDER BY `offset`, part";
	sqlite3_stmt *select = NULL;
	size_t cap = 0;
	int code = prepare(db, text, job, partition, &select);

	while (code == SQLITE_OK && (code = sqlite3_step(select)) == SQLITE_ROW) {
		struct slice keys = { sqlite3_column_blob(select, 2), (size_t)sqlite3_column_bytes(select, 2) };

		if (loaded->parked_count == cap) {
			struct parked_loaded *wider = arena_alloc(arena, (cap ? 2 * cap : 16) * sizeof *wider);

			if (cap)
				memcpy(wider, loaded->parked, cap * sizeof *wider);
			loaded->parked = wider;
			cap = cap ? 2 * cap : 16;
		}
		loaded->parked[loaded->parked_count++] = (struct parked_loaded){
			.offset = sqlite3_column_int64(select, 0),
			.part = (uint32_t)sqlite3_column_int64(select, 1),
			.keys = keys.n ? arena_copy(arena, keys) : SLICE(""),
			.bytes = (uint32_t)sqlite3_column_int64(select, 3),
			.age_ms = sqlite3_column_int64(select, 4),
		};
		code = SQLITE_OK;
	}
	sqlite3_finalize(select);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int take_one(sqlite3 *db, const char *job, const struct source_partition_name *partition, int32_t lanes, struct arena *arena,
		    struct progress_loaded *loaded)
{
	static const char select_text[] = "SELECT lane, next_offset, seq, done, epoch, watermark FROM streamlua_progress "
					  "WHERE job = ?1 AND topic = ?2 AND `partition` = ?3 ORDER BY lane";
	static const char update_text[] = "UPDATE streamlua_progress SET epoch = ?4 WHERE job = ?1 AND topic = ?2 AND `partition` = ?3";
	static const char insert_text[] = "INSERT OR IGNORE INTO streamlua_progress (job, topic, `partition`, lane, next_offset, done, epoch, seq, "
					  "script_version) VALUES (?1, ?2, ?3, ?5, -1, x'', ?4, 0, '')";
	sqlite3_stmt *select = NULL, *update = NULL, *insert = NULL;
	int code;

	if ((code = prepare(db, select_text, job, partition, &select)) != SQLITE_OK ||
	    (code = prepare(db, update_text, job, partition, &update)) != SQLITE_OK ||
	    (code = prepare(db, insert_text, job, partition, &insert)) != SQLITE_OK)
		goto out;
	if ((code = load(select, lanes, arena, loaded)) != SQLITE_DONE)
		goto out;
	loaded->epoch++;
	sqlite3_bind_int64(update, 4, loaded->epoch);
	sqlite3_bind_int64(insert, 4, loaded->epoch);
	if ((code = sqlite3_step(update)) != SQLITE_DONE)
		goto out;
	for (int32_t lane = 0; lane < lanes; lane++) {
		size_t known = 0;

		while (known < loaded->lane_count && loaded->lanes[known].lane != lane)
			known++;
		if (known < loaded->lane_count)
			continue;
		sqlite3_reset(insert);
		sqlite3_bind_int(insert, 5, lane);
		if ((code = sqlite3_step(insert)) != SQLITE_DONE)
			goto out;
	}
	code = SQLITE_OK;
out:
	sqlite3_finalize(select);
	sqlite3_finalize(update);
	sqlite3_finalize(insert);
	return code;
}

/* The rows that were just made are lanes too. */
static void add_new_lanes(struct progress_loaded *loaded, int32_t lanes, struct arena *arena)
{
	struct progress_lane *all = arena_zalloc(arena, (loaded->lane_count + (size_t)lanes) * sizeof *all);
	size_t found = loaded->lane_count;

	memcpy(all, loaded->lanes, found * sizeof *all);
	for (int32_t lane = 0; lane < lanes; lane++) {
		size_t known = 0;

		while (known < found && all[known].lane != lane)
			known++;
		if (known == found)
			all[loaded->lane_count++] = (struct progress_lane){ .lane = lane, .next_offset = -1 };
	}
	loaded->lanes = all;
}

int sqlite_takeover_run(sqlite3 *db, const char *job, const struct takeover *takeover, int32_t lanes, struct arena *arena,
			struct progress_loaded *loaded)
{
	int code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	for (size_t i = 0; code == SQLITE_OK && i < takeover->count; i++) {
		code = take_one(db, job, &takeover->partitions[i], lanes, arena, &loaded[i]);
		if (code == SQLITE_OK)
			code = load_parked(db, job, &takeover->partitions[i], arena, &loaded[i]);
		add_new_lanes(&loaded[i], lanes, arena);
	}
	if (code == SQLITE_OK)
		code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	return code;
}
