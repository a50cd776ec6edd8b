---@meta streamlua
-- What job.lua and scripts can use, for LuaLS and editors that speak to it. lua/README.md of streamlua says what it does.
-- Made by `streamlua types`, which writes it anew: do not edit.

---A row of the source: columns by name. nil for NULL, and where the message does not have the column. Read-only, and
---good only while its event is worked on.
---@class streamlua.row
---@field [string] any
---@field has fun(self: streamlua.row, column: string): boolean whether the message has the column, be it NULL

---@alias streamlua.op "insert"|"update"|"delete"|"snapshot"|"timer"

---What there is to know of an event beside its row.
---@class streamlua.ctx
---@field op streamlua.op
---@field old? streamlua.row of an update: the row before
---@field database? string
---@field table? string
---@field time? number when the change was made, in ms since the epoch; of a timer, for when it was set
---@field timer_name? string in on_timer
---@field key? table<string, any> the message's key by its columns
---@field headers table<string, string>
---@field tx? string the change's transaction at its source
---@field position? string where it stands in its source's log
---@field topic string
---@field partition integer
---@field offset? integer nil in on_timer
---@field now number the clock, in ms since the epoch
---@field watermark? number how far event time has come, in ms
local ctx = {}

---Writes a row to another table: "alerts", or "kafka:alerts" of the sink that the job has as sinks.kafka.
---@param target string
---@param row table<string, any>|streamlua.row
function ctx:emit(target, row) end

---Deletes a row of a table.
---@param target string
---@param key table<string, any>
function ctx:delete(target, key) end

---A map of the event's key: an entry is a row of streamlua_state. `entries` are asked for together.
---@param name string
---@param entries? any[]
---@return table<any, any>
function ctx:map(name, entries) end

---Fires on_timer when the watermark has passed `at`.
---@param at number|string ms since the epoch, or a time as text
---@param name? string
function ctx:timer(at, name) end

---Fires on_timer so long after now, by the clock.
---@param duration string "5m"
---@param name? string
function ctx:timer_in(duration, name) end

---Takes a timer back; whether there was one.
---@param name? string
---@return boolean
function ctx:cancel(name) end

---@alias streamlua.column string|fun(row: streamlua.row): any

---@class streamlua.example
---@field name? string
---@field op? streamlua.op
---@field row? table<string, any>
---@field old? table<string, any>
---@field key? any
---@field lookup? table<string, table|false>
---@field steps? table[]
---@field expect? any a row, false, "error", { error = }, { target =, row = }, { target =, delete = }, or a list of these

---What a table script returns.
---@class streamlua.script
---@field source? string|string[]|streamlua.stream tables it serves; default: the file's name
---@field target? string|streamlua.stream default: the table in the file's name
---@field columns? table<string|integer, streamlua.column> target column <- source column, or a function of the row
---@field map? fun(row: streamlua.row, ctx: streamlua.ctx): table? the target's whole row, nil for none; not with columns
---@field owns? string[] the target columns that this script writes
---@field filter? fun(row: streamlua.row, ctx: streamlua.ctx): any false drops the message
---@field where? fun(row: streamlua.row): any the target holds exactly the rows for which it is true
---@field key? string[] what tells rows apart, where the target has no primary key
---@field key_by? "table"|"row"|string[]|fun(row: streamlua.row, ctx: streamlua.ctx): any changes with one key stay in order
---@field write? "upsert"|"update"
---@field on_error? "dead-letter"|"stop"|"skip"
---@field park_for? string how long a change waits for its row: "10m"
---@field process? fun(row: streamlua.row, state: table, ctx: streamlua.ctx): table? keeps state
---@field state? { ttl: string?, version: integer? }
---@field upgrade? fun(state: table, from: integer): table? makes of an older version's state what this one expects
---@field time? string|{ [1]: string, unit: "s"|"ms"|"us"|"ns"? }|fun(row: streamlua.row, ctx: streamlua.ctx): any when an event happened
---@field on_timer? fun(state: table, ctx: streamlua.ctx)
---@field watermark? { out_of_order: string?, idle_after: string?, ahead: string?, on_ahead: "count"|"dead-letter"? }
---@field lookup? table<string, table> columns of other tables of the target
---@field pattern? streamlua.pattern
---@field match? fun(match: table<string, any>, ctx: streamlua.ctx): table?
---@field window? streamlua.window
---@field aggregate? table<string, streamlua.aggregate>
---@field add? fun(acc: table, row: streamlua.row)
---@field sub? fun(acc: table, row: streamlua.row)
---@field merge? table<string, "sum"|"max"|"min"|"set">|fun(a: table, b: table): table columns that are added to; of a window a function
---@field shard? { column: string, count: integer }
---@field result? fun(acc: table, w: { start: number, finish: number }): table
---@field late? fun(row: streamlua.row, ctx: streamlua.ctx)
---@field emit? "changes"|"final"
---@field repartition? string|{ topic: string, partitions: integer?, retention: string? }
---@field examples? streamlua.example[]

---@class streamlua.window
---@class streamlua.aggregate
---@class streamlua.source
---@class streamlua.sink
---@class streamlua.format
---@class streamlua.job

---@alias streamlua.condition fun(row: streamlua.row, match: table<string, any>, ctx: streamlua.ctx): any

---Events that follow each other.
---@class streamlua.pattern
---@field next fun(self: streamlua.pattern, name: string, condition: streamlua.condition): streamlua.pattern directly behind it
---@field followed_by fun(self: streamlua.pattern, name: string, condition: streamlua.condition): streamlua.pattern behind it
---@field not_next fun(self: streamlua.pattern, name: string, condition: streamlua.condition): streamlua.pattern
---@field not_followed_by fun(self: streamlua.pattern, name: string, condition: streamlua.condition): streamlua.pattern
---@field times fun(self: streamlua.pattern, least: integer, most?: integer): streamlua.pattern
---@field times_or_more fun(self: streamlua.pattern, least: integer): streamlua.pattern
---@field consecutive fun(self: streamlua.pattern): streamlua.pattern
---@field without fun(self: streamlua.pattern, condition: streamlua.condition): streamlua.pattern
---@field within fun(self: streamlua.pattern, duration: string): streamlua.pattern
---@field keep fun(self: streamlua.pattern, columns: string[]): streamlua.pattern
---@field after_match fun(self: streamlua.pattern, strategy: "no_skip"|"skip_past_last_event"): streamlua.pattern

---@class streamlua.message
---@field value? string nil: a tombstone
---@field key? string
---@field headers table<string, string>
---@field topic string
---@field partition integer
---@field offset integer
---@field time? number ms since the epoch

---@class streamlua.kafka_source
---@field brokers string|string[]
---@field topics string|string[] names, or patterns: "shop.*"
---@field format any "auto", "debezium", "maxwell", "canal", "ticdc", "json", { "avro", registry = }, or sl.format(...)
---@field group? string
---@field start? string "earliest", "latest", a time or "-2h"
---@field config? table<string, any> any librdkafka property

---@class streamlua.file_source
---@field path string|string[] a file, a list, or "-" for stdin
---@field format any
---@field key_separator? string
---@field envelope? "kcat"
---@field topic? string

---@class streamlua.server_sink
---@field host? string
---@field port? integer
---@field socket? string
---@field user string
---@field password? string sl.env "VARIABLE"
---@field database string
---@field lanes? integer
---@field tls? boolean|{ ca: string?, cert: string?, key: string?, verify: boolean? }
---@field connect_timeout? string
---@field read_timeout? string

---@class streamlua.kafka_sink
---@field topic? string
---@field key? string|string[]
---@field brokers? string|string[]
---@field config? table<string, any>

---@class streamlua.job_options
---@field name string the progress is kept under it
---@field source streamlua.source
---@field sink streamlua.sink
---@field sinks? table<string, streamlua.sink> beside the job's: "kafka:alerts" is alerts of sinks.kafka
---@field tables? string|table<string, string> a folder (default "scripts"), or { ["shop.orders"] = "scripts/orders.lua" }
---@field dead_letters? string a file, where the sink is no database
---@field dead_letter_limit? integer
---@field on_ddl? "ignore"|"stop"|"dead-letter"
---@field on_truncate? "ignore"|"stop"|"dead-letter"
---@field memory? string "256MB"
---@field max_rows_per_second? integer
---@field script_timeout? string "2s"
---@field park_for? string "10m"

---@class streamlua
---@field null any SQL's NULL and JSON's null
local sl = {}

---What job.lua returns.
---@param options streamlua.job_options
---@return streamlua.job
function sl.job(options) end

sl.source = {}
---@param options streamlua.kafka_source
---@return streamlua.source
function sl.source.kafka(options) end
---@param options streamlua.file_source
---@return streamlua.source
function sl.source.file(options) end

sl.sink = {}
---@param options streamlua.server_sink
---@return streamlua.sink
function sl.sink.tidb(options) end
---@param options streamlua.server_sink
---@return streamlua.sink
function sl.sink.mysql(options) end
---@param options streamlua.server_sink
---@return streamlua.sink
function sl.sink.mariadb(options) end
---@param options streamlua.kafka_sink
---@return streamlua.sink
function sl.sink.kafka(options) end
---@param options { path: string }
---@return streamlua.sink
function sl.sink.sqlite(options) end
---@param options? { path: string?, identity: boolean? }
---@return streamlua.sink
function sl.sink.jsonl(options) end
---@return streamlua.sink
function sl.sink.blackhole() end

---A format of your own: the function returns an event, a list of events, or nil.
---@param fn fun(message: streamlua.message): table?
---@return streamlua.format
function sl.format(fn) end

---A variable of the environment; an error where it is not set and has no default.
---@param name string
---@param default? string
---@return string
function sl.env(name, default) end

---@param size string "1m"
---@param options? { out_of_order: string? }
---@return streamlua.window
function sl.tumbling(size, options) end
---@param size string "5m"
---@param hop string "1m"
---@param options? { out_of_order: string? }
---@return streamlua.window
function sl.hopping(size, hop, options) end
---@param gap string "30m"
---@param options? { out_of_order: string? }
---@return streamlua.window
function sl.session(gap, options) end

---Rows; values of a column; or the rows for which a function is true.
---@param of? streamlua.column
---@return streamlua.aggregate
function sl.count(of) end
---@param of streamlua.column
---@return streamlua.aggregate
function sl.sum(of) end
---@param of streamlua.column
---@return streamlua.aggregate
function sl.avg(of) end
---@param of streamlua.column
---@return streamlua.aggregate
function sl.min(of) end
---@param of streamlua.column
---@return streamlua.aggregate
function sl.max(of) end
---@param of streamlua.column
---@return streamlua.aggregate
function sl.first(of) end
---@param of streamlua.column
---@return streamlua.aggregate
function sl.last(of) end
---@param of streamlua.column
---@return streamlua.aggregate
function sl.count_distinct(of) end

sl.pattern = {}
---@param name string
---@param condition streamlua.condition
---@return streamlua.pattern
function sl.pattern.begin(name, condition) end

---@class streamlua.stream
---A script's `target`, and the `source` of those that its rows go through next.
---@param name string
---@return streamlua.stream
function sl.stream(name) end

sl.json = {}
---Numbers of more than 15 digits stay texts.
---@param text string
---@return any
function sl.json.decode(text) end
---@param value any
---@return string
function sl.json.encode(value) end
---An empty one is written [].
---@param list table
---@return table
function sl.json.array(list) end

sl.base64 = {}
---@param bytes string
---@return string
function sl.base64.encode(bytes) end
---@param text string
---@return string
function sl.base64.decode(text) end

sl.hex = {}
---@param bytes string
---@return string
function sl.hex.encode(bytes) end
---@param text string
---@return string
function sl.hex.decode(text) end

---@alias streamlua.number number|string

---Exact, of numbers or texts, giving texts.
sl.decimal = {}
---@param a streamlua.number
---@param b streamlua.number
---@return string
function sl.decimal.add(a, b) end
---@param a streamlua.number
---@param b streamlua.number
---@return string
function sl.decimal.sub(a, b) end
---@param a streamlua.number
---@param b streamlua.number
---@return string
function sl.decimal.mul(a, b) end
---@param a streamlua.number
---@param b streamlua.number
---@param places? integer
---@return string
function sl.decimal.div(a, b, places) end
---@param a streamlua.number
---@param b streamlua.number
---@return -1|0|1
function sl.decimal.compare(a, b) end
---@param value streamlua.number
---@param places? integer
---@return string
function sl.decimal.round(value, places) end

---Whole numbers from -2^63 to 2^64 - 1, exact: a number where a double holds it, its text otherwise.
sl.int64 = {}
---@param a streamlua.number
---@param b streamlua.number
---@return streamlua.number
function sl.int64.add(a, b) end
---@param a streamlua.number
---@param b streamlua.number
---@return streamlua.number
function sl.int64.sub(a, b) end
---@param a streamlua.number
---@param b streamlua.number
---@return streamlua.number
function sl.int64.mul(a, b) end
---@param a streamlua.number
---@param b streamlua.number
---@return streamlua.number
function sl.int64.div(a, b) end
---@param a streamlua.number
---@param b streamlua.number
---@return streamlua.number
function sl.int64.mod(a, b) end
---@param a streamlua.number
---@param b streamlua.number
---@return -1|0|1
function sl.int64.compare(a, b) end
---@param bytes string
---@return streamlua.number
function sl.int64.from_bytes(bytes) end
---@param value streamlua.number
---@param count integer
---@return string
function sl.int64.to_bytes(value, count) end

sl.time = {}
---Milliseconds since the epoch; without a zone, and where the text has none, UTC.
---@param text string
---@param zone? string
---@return number
function sl.time.parse(text, zone) end
---@param ms number
---@param zone? string
---@return string
function sl.time.format(ms, zone) end
---What clocks in one zone show as those in another do.
---@param text string
---@param from string
---@param to string
---@return string
function sl.time.convert(text, from, to) end

---A script in a VM of its own, fed by a test.
---@class streamlua.harness
---@field feed fun(self: streamlua.harness, event: table)
---@field expect fun(self: streamlua.harness, what: any)
---@field state fun(self: streamlua.harness, key: any, map?: string, entry?: any): any
---@field advance_to fun(self: streamlua.harness, at: number|string)
---@field wait fun(self: streamlua.harness, duration: string)
---@field finish fun(self: streamlua.harness)
---@field restart fun(self: streamlua.harness)
---@field restore fun(self: streamlua.harness, what: table)

---In *_test.lua alone.
sl.test = {}
---@param name string
---@param fn fun()
function sl.test.case(name, fn) end
---@param path string
---@return streamlua.harness
function sl.test.harness(path) end

return sl
