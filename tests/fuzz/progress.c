/* Progress rows: bytes of streamlua_progress.done that anybody may have written, and lists that are written and read again. */
#include <stdlib.h>

#include "flow/progress.h"
#include "fuzz/fuzz.h"

static bool ascending(const struct done_list *list, int64_t next_offset)
{
	int64_t before = next_offset;

	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].offset < before)
			return false;
		before = list->items[i].offset;
	}
	return true;
}

static void check_round(const struct done_list *list, int64_t next_offset)
{
	struct done_list again = { 0 };
	struct buf encoded = BUF_INIT;
	struct error err;

	progress_encode(&encoded, next_offset, list->items, list->count);
	FUZZ_CHECK(progress_decode(buf_view(&encoded), next_offset, &again, &err) == 0, "%s", err.text);
	FUZZ_CHECK(again.count == list->count, "%zu items, not %zu", again.count, list->count);
	for (size_t i = 0; i < list->count; i++)
		FUZZ_CHECK(again.items[i].offset == list->items[i].offset && again.items[i].part == list->items[i].part, "item %zu", i);
	done_list_free(&again);
	buf_free(&encoded);
}

static void check_bytes(struct slice bytes, int64_t next_offset)
{
	struct done_list list = { 0 };
	struct error err = { .text = "" };

	if (progress_decode(bytes, next_offset, &list, &err) == 0) {
		FUZZ_CHECK(ascending(&list, next_offset), "offsets go back");
		check_round(&list, next_offset);
	} else {
		FUZZ_CHECK(err.text[0], "an error without a reason");
	}
	done_list_free(&list);
}

/* A list made of the bytes: steps and parts. */
static void check_list(struct slice bytes, int64_t next_offset)
{
	struct done_list list = { 0 };
	int64_t offset = next_offset;

	while (bytes.n) {
		uint8_t how = fuzz_byte(&bytes);
		uint64_t step = fuzz_number(&bytes, how & 7), part = fuzz_number(&bytes, how >> 3 & 3);

		if (__builtin_add_overflow(offset, step, &offset))
			break;
		done_list_add(&list, (struct done){ offset, (uint32_t)part });
	}
	check_round(&list, next_offset);
	done_list_free(&list);
}

/* What a whole partition makes of rows like these. */
static void check_load(struct slice bytes, int64_t next_offset, int64_t other)
{
	struct progress_lane lanes[] = { { .lane = 1, .next_offset = next_offset, .seq = 3, .done = bytes },
					 { .lane = 9, .next_offset = other, .seq = 5, .done = bytes } };
	struct progress_loaded loaded = { .epoch = 2, .next_offset = next_offset > other ? next_offset : other, .lane_count = 2, .lanes = lanes };
	struct partition *partition = partition_new(SLICE("orders"), 0, 0, 4);
	struct error err = { .text = "" };

	if (partition_load(partition, &loaded, &err) < 0)
		FUZZ_CHECK(strstr(err.text, "streamlua_progress of orders:0"), "%s", err.text);
	else
		FUZZ_CHECK(partition_next_offset(partition) == loaded.next_offset, "%lld", (long long)partition_next_offset(partition));
	partition_unref(partition);
}

/* Two offsets, then the list. */
void fuzz_progress(struct slice input)
{
	int64_t next_offset = (int64_t)fuzz_number(&input, 8), other = (int64_t)fuzz_number(&input, 4);

	check_bytes(input, next_offset);
	check_load(input, next_offset, other);
	if (next_offset < 0)
		next_offset = -(next_offset + 1);
	check_list(input, next_offset);
}
