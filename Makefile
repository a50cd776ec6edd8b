# streamlua: make help lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BUILD    ?= build
PREFIX   ?= /usr/local
DESTDIR  ?=
VERSION  := 0.1.0

# Recursive on purpose: pkg-config is asked only by the targets that build, after `deps` had its turn.
# MYSQL="mysqlclient libcrypto" takes Oracle's client library where both are installed.
MYSQL      = $(shell pkg-config --exists libmariadb && echo libmariadb || echo mysqlclient libcrypto)
PACKAGES   = luajit rdkafka $(MYSQL) libevent libcurl sqlite3 libarchive libedit
PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES))
PKG_LIBS   = $(shell pkg-config --libs $(PACKAGES)) -lsimdjson -lcctz -lm

WARNINGS := -Wall -Wextra -Wshadow -Wundef -Wno-format-truncation
CWARNINGS := -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
ifneq ($(CI)$(WERROR),)
WARNINGS += -Werror
endif
# V=1 shows whole commands.
SAY      = $(if $(V),,@echo '  $(@:$(BUILD)/%=%)';)
OPTIMIZE ?= -O2 -flto=auto
FLAGS    = $(OPTIMIZE) -g -D_GNU_SOURCE -DSTREAMLUA_VERSION='"$(VERSION)"' -fvisibility=hidden -fno-omit-frame-pointer \
           $(WARNINGS) -Icore -I$(BUILD) $(PKG_CFLAGS) $(EXTRA_FLAGS)
# Scripts reach the engine's sl_* functions through LuaJIT's FFI, which looks them up in the program itself.
LDFLAGS  = $(OPTIMIZE) -Wl,--export-dynamic $(EXTRA_FLAGS)

SOURCES  := $(sort $(wildcard core/*/*.c))
CXX_SOURCES := $(sort $(wildcard core/*/*.cc))
PAGE     := $(sort $(wildcard core/run/page/*.* core/run/page/uplot/*))
LUA      := $(sort $(shell find lua -name '*.lua') $(shell find lua/templates -type f))
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o) $(CXX_SOURCES:%.cc=$(BUILD)/%.o) $(BUILD)/lua_modules.o $(BUILD)/page_files.o
UNIT     := $(sort $(wildcard tests/unit/*_test.c))
UNIT_BIN := $(UNIT:tests/unit/%.c=$(BUILD)/unit/%)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: all
all: $(BUILD)/streamlua ## build build/streamlua

$(BUILD)/streamlua: $(OBJECTS) $(BUILD)/core/main.o
	$(SAY)$(CXX) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(SAY)$(CC) -std=gnu17 $(CWARNINGS) $(FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.cc Makefile
	@mkdir -p $(@D)
	$(SAY)$(CXX) -std=c++17 -fno-exceptions $(FLAGS) -MMD -MP -c -o $@ $<

# The runtime is part of the program, and with it the files that `streamlua new` makes.
$(BUILD)/lua_modules.c: core/flow/lua_modules.lua $(LUA)
	@mkdir -p $(@D)
	@luajit $^ >$@.new && mv $@.new $@

# So is the page on the HTTP port.
$(BUILD)/page_files.c: core/run/page_files.lua $(PAGE)
	@mkdir -p $(@D)
	@luajit $^ >$@.new && mv $@.new $@

$(BUILD)/lua_modules.o $(BUILD)/page_files.o: $(BUILD)/%.o: $(BUILD)/%.c
	$(SAY)$(CC) -std=gnu17 $(FLAGS) -c -o $@ $<

$(BUILD)/unit/%: tests/unit/%.c $(OBJECTS)
	@mkdir -p $(@D)
	$(SAY)$(CC) -std=gnu17 $(FLAGS) -Itests -MMD -MP -c -o $@.o $<
	$(SAY)$(CXX) $(LDFLAGS) -o $@ $@.o $(OBJECTS) $(PKG_LIBS) -lcmocka

# Debian's own interpreter, whatever else stands in PATH: the packages that the tests use are its.
PYTHON := /usr/bin/python3

.PHONY: deps test-deps bench-deps
deps: ## install what building needs (apt-get, as root or with sudo)
	@tests/support/deps.sh build

test-deps: ## install what the tests need too, and fetch Kafka into build/kafka
	@tests/support/deps.sh test

bench-deps: ## install what the benchmark's peers need, and fetch them into build/flink and build/debezium
	@tests/support/deps.sh bench

# Half of the tests' time is compiling: as much at once as there are processors, where make was not told how much.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

# The whole of it, on a machine that has nothing but git, make and root.
.PHONY: test check
test: test-deps ## install what the tests need, build, and run every test
	@$(MAKE) check
	@$(MAKE) $(JOBS) sim fuzz RUNS=300 TRIES=3000
	@$(MAKE) e2e

check: lint ## what needs no server: lint, unit tests under the sanitizers, Lua specs, examples of the scripts
	@$(MAKE) $(JOBS) spec asan

.PHONY: unit asan spec
# Some of them wait most of the time, the longest of all for rebalances.
LONGEST := $(BUILD)/unit/kafka_test
unit: $(UNIT_BIN) ## the unit tests
	@printf '%s\n' $(LONGEST) $(filter-out $(LONGEST),$(UNIT_BIN)) | xargs -P 4 -I{} sh -c '{} >{}.log 2>&1 || { cat {}.log; exit 1; }'; failed=$$?; \
	 cat $(UNIT_BIN:=.log) | awk '/PASSED/ { p += $$4 } /FAILED.*test\(s\)/ { f += $$4 } END { printf "unit: %d passed, %d failed\n", p, f }'; exit $$failed

# The build that clang's fuzzer needs too. LeakSanitizer is on; LuaJIT's own allocator is not instrumented, which hides nothing of ours.
SANITIZED = BUILD=$(BUILD)/asan CC="$(CLANG)" CXX="$(CLANG)++" WARNINGS= CWARNINGS= OPTIMIZE=-O1 \
	EXTRA_FLAGS="-g1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=pointer-overflow -fno-sanitize-recover=undefined"
CLANG    := $(filter ccache,$(CC)) clang

asan: ## the unit tests, the inputs of the fuzz targets and some simulated runs under AddressSanitizer and UndefinedBehaviorSanitizer, in a build of their own
	@$(MAKE) $(SANITIZED) unit fuzz-replay sim RUNS=200

spec: $(BUILD)/streamlua ## the Lua specs, and the examples of the scripts that ship
	@luajit tests/spec/run.lua
	@$(BUILD)/streamlua test scripts examples

.PHONY: lint fmt
lint: ## the rules of the house, luacheck
	@/usr/bin/python3 tests/lint/house.py
	@luacheck -q core lua scripts examples tests/spec .package
	@clang-format --dry-run --Werror $(FORMATTED)

FORMATTED = $(wildcard core/*.c core/*/*.[ch] core/*/*.cc tests/unit/*.[ch] tests/sim/*.[ch] tests/fuzz/*.[ch])
fmt: ## lay the C sources out as .clang-format says
	@clang-format -i $(FORMATTED)

# The flow alone, in a world whose broker, database and clock are simulated. A failure prints its seed.
SEED ?= 1
RUNS ?= 2000
SIM_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/sim/*.c)))

.PHONY: sim
sim: $(BUILD)/sim ## the simulation: RUNS=2000 runs from SEED=1 on; SEED=n RUNS=1 repeats one
	@$(BUILD)/sim $(SEED) $(RUNS)

$(BUILD)/sim: $(SIM_OBJECTS) $(filter $(BUILD)/core/base/% $(BUILD)/core/flow/% $(BUILD)/lua_modules.o,$(OBJECTS))
	$(SAY)$(CXX) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(SIM_OBJECTS): FLAGS += -Itests
-include $(SIM_OBJECTS:.o=.d)

# What takes bytes from strangers, under clang's fuzzer. TARGET=NAME runs one of them (several words: those), each for MINUTES=n
# (SECONDS=n), or TRIES=n inputs that are the same each time, which is what `test` does: two run at a time. What is found is in build/fuzz/found, and stays as an input in tests/fuzz/corpus when it is mended.
FUZZ_TESTS := $(patsubst %.c,$(BUILD)/%.o,$(sort $(filter-out %/driver.c %/replay.c,$(wildcard tests/fuzz/*.c))))
FUZZ_CORE  := $(filter $(BUILD)/core/base/% $(BUILD)/core/flow/% $(BUILD)/lua_modules.o,$(OBJECTS)) \
	$(addprefix $(BUILD)/core/io/,file_lines.o file_read.o file_record.o file_envelope.o http.o text_file.o) \
	$(addprefix $(BUILD)/core/run/,answer.o history.o metrics.o page.o stats.o status.o) $(BUILD)/page_files.o

.PHONY: fuzz fuzz-replay
fuzz: ## fuzz what takes bytes from strangers: MINUTES=n (or TRIES=n, the same each time) for each target, TARGET=NAME for one
	@$(MAKE) $(SANITIZED) $(BUILD)/asan/fuzzer
	@tests/fuzz/run.sh $(BUILD)/asan/fuzzer $(BUILD)/fuzz $(if $(TRIES),$(TRIES),$(or $(SECONDS),$(shell echo $$(($(or $(MINUTES),1) * 60))))s) $(TARGET)

fuzz-replay: $(BUILD)/replay ## run the inputs in tests/fuzz/corpus once, without clang
	@$(BUILD)/replay tests/fuzz/corpus 2>$(BUILD)/replay.log || { tail -40 $(BUILD)/replay.log; exit 1; }

$(BUILD)/fuzzer: $(BUILD)/tests/fuzz/driver.o $(FUZZ_TESTS) $(FUZZ_CORE)
	$(SAY)$(CXX) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

$(BUILD)/replay: $(BUILD)/tests/fuzz/replay.o $(FUZZ_TESTS) $(FUZZ_CORE)
	$(SAY)$(CXX) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(FUZZ_TESTS) $(BUILD)/tests/fuzz/driver.o $(BUILD)/tests/fuzz/replay.o: FLAGS += -Itests
-include $(FUZZ_TESTS:.o=.d)

# STREAMLUA=PROGRAM tests another build; E2E="-k words" some tests only. Most of a test is waiting, so four run at a time, each with
# servers of its own; E2E="-n 0" runs them one by one.
.PHONY: e2e
e2e: $(if $(STREAMLUA),,$(BUILD)/streamlua) ## the end-to-end tests, against a real broker and database
	@STREAMLUA=$(abspath $(or $(STREAMLUA),$(BUILD)/streamlua)) PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m pytest tests/e2e \
		-o cache_dir=$(abspath $(BUILD))/pytest -n 4 -rs --durations=15 $(E2E)

# Several processes, a broker and a database that are killed, frozen, cut off and slowed down at random, all compared with a model.
MINUTES ?= 10
.PHONY: soak
soak: $(if $(STREAMLUA),,$(BUILD)/streamlua) ## everything breaks at random for MINUTES=10, and nothing may be lost or doubled (SEED=n repeats one)
	@STREAMLUA=$(abspath $(or $(STREAMLUA),$(BUILD)/streamlua)) PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/soak/soak.py --minutes $(MINUTES) --seed $(SEED)

.PHONY: curve
curve: $(BUILD)/streamlua ## what happens, second by second, when the target is slowed down tenfold and then recovers
	@$(MAKE) e2e E2E="-k slowed_down -n 0 -s -q --durations=0"

# The programs of the benchmark: generate and reference stand alone, micro is linked with the engine.
BENCH_BIN := $(addprefix $(BUILD)/bench/,generate reference micro)

$(BUILD)/bench/%.o: tests/bench/%.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu17 $(CWARNINGS) $(FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/bench/%.o: tests/bench/%.cc Makefile
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -fno-exceptions $(FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/bench/generate: $(addprefix $(BUILD)/bench/,generate.o events.o nexmark.o sample.o) $(filter $(BUILD)/core/base/%,$(OBJECTS))
$(BUILD)/bench/reference: $(patsubst tests/bench/%.cc,$(BUILD)/bench/%.o,$(wildcard tests/bench/reference*.cc))
$(BUILD)/bench/micro: $(addprefix $(BUILD)/bench/,micro.o sample.o walk.o) $(OBJECTS)
$(BENCH_BIN):
	$(CXX) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# QUICK=1: a fifth of the messages and two rounds. STREAMLUA=PROGRAM measures another build; BENCH="--jobs minutes --peers flink" other jobs, beside
# others (make bench-deps).
.PHONY: bench bench-micro bench-restart bench-picture
bench: $(if $(STREAMLUA),,$(BUILD)/streamlua) $(BENCH_BIN) ## throughput, CPU and memory beside a program without Lua (QUICK=1: three minutes)
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/bench/bench.py --streamlua $(or $(STREAMLUA),$(BUILD)/streamlua) \
		--programs $(BUILD)/bench --results $(BUILD)/bench/results.jsonl $(BENCH)
	@$(BUILD)/bench/micro --walk

bench-restart: $(if $(STREAMLUA),,$(BUILD)/streamlua) ## how long a job with 1,000,000 keys of state takes to start (BENCH="--keys n")
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/bench/restart.py --streamlua $(or $(STREAMLUA),$(BUILD)/streamlua) --results $(BUILD)/bench/results.jsonl $(BENCH)

RESULTS ?= $(BUILD)/bench/results.jsonl
PICTURE ?= tests/bench/bench.svg
bench-picture: ## draw the last results of make bench (RESULTS=FILE) as bars: PICTURE=tests/bench/bench.svg
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/bench/picture.py $(RESULTS) $(PICTURE)

bench-micro: $(BUILD)/bench/micro ## what each stage of the flow costs an event
	@$(BUILD)/bench/micro $(BENCH)

# Every part of it is built in: what `deps` brings is all it needs.
.PHONY: demo
demo: deps ## build, and watch it work: a broker, changes and a target that need no server
	@$(MAKE) all
	@$(BUILD)/streamlua demo

.PHONY: install uninstall deb newcomer clean
install: $(BUILD)/streamlua ## put program, man page, completions and systemd unit below $$(DESTDIR)$$(PREFIX) (/usr/local)
	@.package/install.sh $(BUILD)/streamlua "$(DESTDIR)" "$(PREFIX)"

uninstall: ## take away what install has put there
	@.package/uninstall.sh "$(DESTDIR)" "$(PREFIX)"

# Ten minutes and a gigabyte, as root: ROOT is where the Debian is made.
ROOT ?= $(BUILD)/newcomer
newcomer: ## make a clean Debian (debootstrap), and do in it what README.md tells a newcomer, word for word
	@tests/support/newcomer.sh $(abspath $(ROOT))

deb: $(BUILD)/streamlua ## a Debian package of it, in build/
	@.package/deb.sh $(BUILD)/streamlua $(BUILD)

clean: ## remove what was built; what was fetched (build/kafka, build/flink) stays
	@find $(BUILD) -mindepth 1 -maxdepth 1 ! -name kafka ! -name flink -exec rm -rf {} +

.PHONY: services-up services-down
services-up: ## start Kafka and MariaDB in build/services, and print how to use them
	@tests/support/services.sh up $(BUILD)/services

services-down: ## stop them
	@tests/support/services.sh down $(BUILD)/services

-include $(OBJECTS:.o=.d) $(BUILD)/core/main.d $(wildcard $(BUILD)/bench/*.d)
