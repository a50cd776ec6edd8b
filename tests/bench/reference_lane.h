// One connection, and the rows that wait for it: at most one transaction is on its way.
#ifndef BENCH_REFERENCE_LANE_H
#define BENCH_REFERENCE_LANE_H

#include <event2/event.h>
#include <mysql.h>

#include <array>
#include <memory_resource>
#include <string>
#include <vector>

#include "reference_row.h"

// What the program cannot go on with.
[[noreturn]] void die(const char *what, const char *why);

struct target {
	const char *host = nullptr; // none: the blackhole
	unsigned port = 0;
	const char *user = "", *password = "", *database = "";
};

// Rows of one transaction, with the texts they need and the offsets they stand for.
class batch
{
      public:
	static constexpr size_t ROWS_MOST = 2000;

	explicit batch(size_t partitions);
	batch(const batch &) = delete;
	void keep(const row &row);
	void pass(size_t partition, int64_t offset); // this offset is done with this batch
	// The last change of each row: erased ones in front, each part by id.
	void merge();
	void write(std::string &sql, row_writer &writer, size_t lane) const;
	void clear();
	bool full() const
	{
		return rows.size() >= ROWS_MOST;
	}
	bool empty() const
	{
		return passed == 0;
	}

      private:
	std::string_view keep(std::string_view text);

	std::vector<row> rows;
	std::vector<uint32_t> order; // of rows, once merged
	size_t erased = 0;
	size_t passed = 0;                 // messages, rows or not
	std::vector<int64_t> next_offsets; // by partition; -1: none in this batch
	std::vector<char> room;
	std::pmr::monotonic_buffer_resource texts;
};

class lane
{
      public:
	lane(event_base *loop, size_t number, const target &target, size_t partitions, void (*on_free)(void *ctx), void *ctx);
	lane(const lane &) = delete;
	~lane();
	batch &gathering()
	{
		return *batches[(first + waiting) % batches.size()];
	}
	// Begins a transaction where none is on its way; `all` of what there is, or only full batches.
	void turn(bool all);
	bool has_room() const
	{
		return waiting + 2 < batches.size();
	} // one more may be filled
	bool idle()
	{
		return waiting == 0 && gathering().empty();
	}
	size_t transactions = 0;

      private:
	enum class step { idle, query, result };

	void begin();
	void send();
	void go_on(int ready);
	void wait(int status);
	void committed();
	static void on_ready(evutil_socket_t fd, short what, void *self);

	size_t number;
	void (*on_free)(void *ctx);
	void *ctx;
	MYSQL *connection = nullptr;
	event *ready = nullptr;
	step at = step::idle;
	// A ring: `waiting` of them are full or on their way, the oldest first; the next one gathers.
	std::array<batch *, 4> batches;
	size_t first = 0, waiting = 0;
	std::string sql;
	row_writer writer;
};

#endif
