# TokenVault: `make` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

LIBRARIES := libsodium-dev libsqlite3-dev zlib1g-dev
# What tests drive: real tools instead of mocks.
TEST_TOOLS := strace sqlite3 python3 python3-pip curl gcc util-linux openssl systemd groff mandoc bsdextrautils iproute2
INTEROP_TOOLS := python3 python3-venv openssl sqlite3 apache2 libapache2-mod-auth-openidc \
  libapache2-mod-oauth2 chromium chromium-driver fonts-dejavu-core softhsm2 opensc ssss jq curl util-linux \
  python3-pip golang-go golang-github-coreos-go-oidc-dev faketime iproute2
# Unpacked and not installed: the package would set up a database and start a service with a known password.
GLEWLWYD := .build/glewlwyd
GLEWLWYD_LIBRARIES = $$(apt-cache depends glewlwyd | sed -n 's/^ *Depends: \(lib[^ ]*\)$$/\1/p')
# Unpacked too: two servers would want port 80 beside Apache.
PROXIES := .build/proxies
WHEELS := .build/wheels
# Its server is only a program here: the tests start their own.
POSTGRES := postgresql-15
PATRONI := patroni etcd-server
FAILOVER_TOOLS := libpq5 python3 gcc openssl util-linux iproute2
BENCH_TOOLS := wrk python3 curl
RELEASE_TOOLS := binutils mmdebstrap python3 curl
# It starts where no toolchain is: Swift's runtime and that of C++ are linked in, nothing is looked for beside the
# binary, and its symbols are not exported, which would keep code that nothing calls.
RELEASE_BUILD := swift build -c release --static-swift-stdlib --disable-local-rpath --scratch-path .build-release \
  -Xlinker --no-export-dynamic -Xlinker -L$(CURDIR)/.build-release/static
RELEASED ?= .build-release/release/tokenvault
# The debug build, linked in the same way.
LINKED := .build/linked/tokenvault
# What Foundation's parts are called where they are linked in.
FOUNDATION := $(addprefix -l,Foundation FoundationInternationalization FoundationEssentials CoreFoundation \
  _FoundationICU _FoundationCShims _FoundationCollections swiftSynchronization)
# Other flags would build everything again, so every target uses these.
BUILD_FLAGS ?=
BUILD = swift build $(BUILD_FLAGS) --explicit-target-dependency-import-check error

PREFIX ?= /usr/local
DESTDIR ?=
BIN = $(DESTDIR)$(PREFIX)/bin
MAN = $(DESTDIR)$(PREFIX)/share/man/man1
COMPLETIONS = $(DESTDIR)$(PREFIX)/share/bash-completion/completions

# $(call install,PACKAGES): installs the Debian packages that are missing, or says what to install.
define install
	@missing=(); for package in $(1); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'install ok installed' || missing+=($$package); \
	done; \
	if [ $${#missing[@]} -gt 0 ]; then \
	  if [ "$$(id -u)" = 0 ]; then run=; elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then run=sudo; \
	  else echo "Missing: $${missing[*]}. Install them as root:  apt-get install $${missing[*]}" >&2; exit 1; fi; \
	  echo "Installing $${missing[*]}"; \
	  $$run apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$run apt-get install -y -qq $${missing[@]} >/dev/null; \
	fi
	@command -v $(2) >/dev/null || { echo "$(2) is missing: install Swift 6.2 or later, see swift.org/install" >&2; exit 1; }
endef

# $(call install-python,MODULES): installs the Python packages that are missing; Debian's own pip wants to be told twice.
define install-python
	@for module in $(1); do \
	  python3 -c "import $$module" 2>/dev/null && continue; \
	  echo "Installing $$module"; \
	  python3 -m pip install --quiet $$module || python3 -m pip install --quiet --break-system-packages $$module || \
	    { echo "Missing: the Python package $$module. Install it:  pip install $$module" >&2; exit 1; }; \
	done
endef

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: deps
deps: ## Install the libraries TokenVault links (Debian: libsodium-dev, libsqlite3-dev, zlib1g-dev)
	$(call install,$(LIBRARIES),swift)

.PHONY: test-deps
test-deps: deps
	$(call install,$(TEST_TOOLS),python3)
	$(call install-python,joserfc)

.PHONY: build
build: deps ## Build everything (debug), tests too
	$(BUILD) --build-tests

.PHONY: demo
demo: deps ## Play the main job: code, tokens, refreshes, reuse, audit, over real HTTP
	$(BUILD) --product tokenvault
	$(BUILD) --product Demo
	"$$(swift build --show-bin-path)/Demo"

.PHONY: test
test: test-deps build ## Build and run all tests
	Tests/run

.PHONY: test-postgres
test-postgres: test-deps build ## What is not about files, on a private PostgreSQL server; SUITES=core: a part
	$(call install,$(POSTGRES),swift)
	Tests/run postgres $(SUITES)

.PHONY: interop-deps
interop-deps: deps
	$(call install,$(INTEROP_TOOLS),swift)
	$(call install,$(GLEWLWYD_LIBRARIES),swift)
	mkdir -p $(GLEWLWYD)
	test -x $(GLEWLWYD)/usr/bin/glewlwyd || \
	  { cd $(GLEWLWYD) && apt-get download -qq glewlwyd && dpkg -x glewlwyd_*.deb . && rm glewlwyd_*.deb; }
	mkdir -p $(PROXIES)
	test -x $(PROXIES)/usr/bin/caddy -a -x $(PROXIES)/usr/sbin/nginx || \
	  { cd $(PROXIES) && apt-get download -qq nginx caddy && for package in *.deb; do dpkg -x $$package .; done && rm *.deb; }
	# For a page that signs with a hardware key: its machine has no network.
	test -d $(WHEELS) || /usr/bin/python3 -m pip download --quiet --disable-pip-version-check --only-binary :all: \
	  --dest $(WHEELS) python-pkcs11==0.10.1
	test -x .build/python/bin/python || python3 -m venv .build/python
	.build/python/bin/python -m pip install --quiet --disable-pip-version-check --requirement Tests/Interop/requirements.txt
	# They ask for Python 3.12 and need nothing of it; what they depend on is in the list above.
	.build/python/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python \
	  aics-tlog==0.2.1 aics-witness==0.1.0

.PHONY: interop
interop: export PYTHONDONTWRITEBYTECODE = 1
interop: interop-deps ## Real clients and a browser against the server, the keeper against real servers; screenshots in .build/interop
	$(BUILD) --product tokenvault
	$(BUILD) --product EmbedIssuer
	.build/python/bin/python -m pytest --quiet --durations=5 Tests/Interop

.PHONY: failover
failover: export ROUNDS ?= 8
failover: deps ## Kill, freeze and cut off PostgreSQL's primary under load, and lose answers to commits; ROUNDS=20
	$(call install,$(POSTGRES) $(FAILOVER_TOOLS),python3)
	$(BUILD) --product tokenvault
	$(BUILD) --product vault-worker
	Tests/Failover/run

.PHONY: patroni
patroni: deps ## Start the example of docs/scale-out.md and take its machines away under load, five minutes
	$(call install,$(POSTGRES) $(PATRONI) $(FAILOVER_TOOLS),python3)
	$(BUILD) --product tokenvault
	$(BUILD) --product vault-worker
	Tests/Failover/run test_patroni

.PHONY: outside
outside: deps ## Build the package of docs/embedding.md outside the repository, from that page alone, and run its tests
	Tests/Outside/package.py

.PHONY: lint
lint: ## Check the format of every Swift file
	swift format lint --strict --parallel --recursive Package.swift Sources Tests Benchmarks Examples

.PHONY: format
format: ## Rewrite every Swift file in the project's format
	swift format --in-place --parallel --recursive Package.swift Sources Tests Benchmarks Examples

.PHONY: check
check: export TOKENVAULT_STRICT = 1
check: lint test ## Format, warnings as errors, imports, all tests

.PHONY: nightly
nightly: ## What is long: all rounds of the random and kill tests, the release build, the speed; writes docs/assurance.md
	.ci/nightly

.PHONY: release
release: deps ## Build the command for production: .build-release/release/tokenvault, its debug information beside it
	$(call install,binutils gdb g++,gdb swift)
	mkdir -p .build-release/static && ln -sf "$$(gcc -print-file-name=libstdc++.a)" .build-release/static/
	$(RELEASE_BUILD) --product tokenvault
	if readelf --sections --wide $(RELEASED) | grep -q '\.debug_info'; then \
	  objcopy --only-keep-debug $(RELEASED) $(RELEASED).debug && \
	  objcopy --strip-unneeded --add-gnu-debuglink=$(RELEASED).debug $(RELEASED); \
	fi
	@echo "built: $(CURDIR)/$(RELEASED); install it with 'make install', PREFIX=$(PREFIX)"

.PHONY: install
install: ## Install the command, its manual pages and bash completion: make install PREFIX=/usr/local
	@test -x $(RELEASED) || { echo "Run 'make release' first: there is no $(RELEASED)." >&2; exit 1; }
	install -D -m 755 $(RELEASED) $(BIN)/tokenvault
	rm -rf .build-release/man && mkdir -p .build-release/man $(MAN) $(COMPLETIONS)
	$(RELEASED) man --directory .build-release/man
	install -m 644 .build-release/man/*.1 $(MAN)/
	$(RELEASED) --generate-completion-script bash > $(COMPLETIONS)/tokenvault && chmod 644 $(COMPLETIONS)/tokenvault

.PHONY: uninstall
uninstall: ## Remove what `make install` installed under the same PREFIX; vaults stay
	rm -f $(BIN)/tokenvault $(MAN)/tokenvault.1 $(MAN)/tokenvault-*.1 $(COMPLETIONS)/tokenvault

.PHONY: test-release
test-release: ## Start the release build in a fresh Debian root that has only the two libraries it needs
	$(call install,$(RELEASE_TOOLS),python3)
	PYTHONDONTWRITEBYTECODE=1 TOKENVAULT_BINARY=$(RELEASED) \
	  python3 -m unittest discover --verbose --start-directory Tests/Release $(RELEASE_TESTS)

.PHONY: test-linked
test-linked: deps ## Link the debug build as the release is linked, and start it in a fresh Debian root
	$(call install,g++,swift)
	$(BUILD) --product tokenvault
	mkdir -p .build/linked && ln -sf "$$(gcc -print-file-name=libstdc++.a)" .build/linked/
	swiftc -static-stdlib -emit-executable -o $(LINKED) -gnone \
	  @"$$(swift build --show-bin-path)/tokenvault.product/Objects.LinkFileList" -Xlinker --defsym=main=VaultCommand_main \
	  -Xlinker --no-export-dynamic -Xlinker --strip-debug -L.build/linked $(FOUNDATION) -lstdc++ -lsodium -lsqlite3 -lz
	$(MAKE) test-release RELEASED=$(LINKED) RELEASE_TESTS="-k needs_no_library -k FreshDebian"

.PHONY: man
man: deps ## Write the manual pages into .build/man, one for each command
	$(BUILD) --product tokenvault
	mkdir -p .build/man
	"$$(swift build --show-bin-path)/tokenvault" man --directory .build/man

.PHONY: vectors
vectors: test-deps ## Write the format vectors of Tests/Vectors again (only with a new format version)
	TOKENVAULT_REGENERATE_VECTORS=1 swift test --filter 'VaultCryptoTests|Format vectors'

.PHONY: golden
golden: test-deps ## Write the golden vault of the newest schema again (only before that schema has landed)
	TOKENVAULT_REGENERATE_GOLDEN=1 swift test --filter 'the newest is made anew'

.PHONY: crash-matrix
crash-matrix: test-deps ## Kill a refresh at each point under each policy, and write the tables in docs/ again
	$(call install,$(POSTGRES),swift)
	TOKENVAULT_TEST_SERVER=1 TOKENVAULT_REGENERATE_MATRIX=1 swift test --filter 'refresh killed at any point'

.PHONY: rotation-matrix
rotation-matrix: export PYTHONDONTWRITEBYTECODE = 1
rotation-matrix: interop-deps ## Clients and thieves at this server and three others, months in minutes; the table in docs/rotation.md
	$(BUILD) --product tokenvault
	PYTHONPATH=Tests/Interop .build/python/bin/python Tests/RotationMatrix/matrix.py

.PHONY: bench
bench: deps ## Measure: swaps, validations, HTTP, and the bounds beside them; BENCH="--grants 20000 --runs 1": a look
	$(call install,$(BENCH_TOOLS),swift)
	Benchmarks/run.sh $(BENCH)

.PHONY: vault-bench
vault-bench: release
	$(RELEASE_BUILD) --product vault-bench

.PHONY: bench-postgres
bench-postgres: release ## Measure PostgreSQL beside SQLite and a bare loop on libpq, with a standby and half a millisecond
	$(call install,$(POSTGRES) $(FAILOVER_TOOLS),python3)
	$(RELEASE_BUILD) --product vault-bench
	Tests/Failover/run bench_postgres

.PHONY: clean
clean: ## Remove what was built
	rm -rf .build .build-release
