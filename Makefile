# Phyllo. `make demo` shows it, `make test` proves it.
GO       ?= go
CACHE    ?= $(HOME)/.cache/phyllo
export CGO_ENABLED ?= 0
# Kernels in AVX-512; docs/design/kernels.md says what a build without it lacks.
export GOEXPERIMENT ?= simd

.PHONY: build demo test check lint bench soak fuzz docs density cassandra cassandra-stop clean
build: ## bin/phyllo, one static binary
	$(GO) build -trimpath -ldflags "-s -w" -o bin/phyllo ./tools/phyllo

demo: build ## live city buses on an embedded store in demo-data/
	$(GO) build -o bin/demo ./tools/demo # not go run, which makes of Ctrl-C a failure
	bin/demo

cassandra: ## real Cassandra servers that go on running: NODES=1|3, PORT=9042, SYNC=periodic|group
	@$(GO) run ./tools/cassandra start $(if $(NODES),--nodes=$(NODES)) $(if $(PORT),--port=$(PORT)) $(if $(SYNC),--sync=$(SYNC))

cassandra-stop: ## end them, keep their data; CLEAN=1 removes the data
	@$(GO) run ./tools/cassandra stop $(if $(filter 1 yes true,$(CLEAN)),--clean)

test: ## everything CI runs, in groups with a time budget each
	$(GO) run ./tools/testrun

soak: ## random tests for about an hour; SEED=n repeats a run
	$(GO) run ./tools/testrun soak

fuzz: ## every fuzz target for FUZZTIME (1m)
	$(GO) run ./tools/testrun fuzz

bench: build ## comparison with PostgreSQL, and on Cassandra with a CQL table, on bus positions
	$(GO) run ./benchmarks/bus
	$(GO) run ./benchmarks/cassandra

density: ## bytes a row beside Parquet, DuckDB and ClickHouse; DATA=file?key=a,b&time=c
	$(GO) run ./benchmarks/density $(if $(DATA),--data '$(DATA)')

docs: ## run the examples of the pages and write down what they print
	$(GO) test ./tools/doctest -count=1 -rewrite

lint: ## format, vet, direction of imports
	$(GO) run ./tools/testrun lint

clean:
	rm -rf bin demo-data
