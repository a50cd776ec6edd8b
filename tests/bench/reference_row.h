// The columns of shop.orders, hard-wired: what a message of the sample says about one row.
#ifndef BENCH_REFERENCE_ROW_H
#define BENCH_REFERENCE_ROW_H

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct row {
	int64_t id;
	bool erased; // then only id and status are set
	bool note_is_null;
	int64_t customer_id, quantity, created_ms;
	std::string_view sku, price, status, note, updated_at;
};

class row_decoder
{
      public:
	// The row after the change, or the row that it erased. Its texts are lent until the next call. False: not such a message.
	bool decode(const void *message, size_t size, row &out);

      private:
	simdjson::error_code read(size_t size, row &out);

	simdjson::ondemand::parser parser;
	std::vector<char> padded;
};

class row_writer
{
      public:
	// "(1,2,'sku',...)", in the order of COLUMNS.
	void write(std::string &sql, const row &row);

	static constexpr const char *COLUMNS = "id,customer_id,sku,quantity,price,status,note,created_at,updated_at";
	static constexpr const char *UPDATES = "customer_id=VALUES(customer_id),sku=VALUES(sku),quantity=VALUES(quantity),price=VALUES(price),"
					       "status=VALUES(status),note=VALUES(note),created_at=VALUES(created_at),updated_at=VALUES(updated_at)";

      private:
	void write_datetime(std::string &sql, int64_t ms);

	int64_t day = -1; // since the epoch, whose text day_text is: orders come by date
	char day_text[16] = "";
};

void write_int(std::string &sql, int64_t number);

#endif
