# Jiesu: `make run` for the daemon, `make test` for every gate. Both set up what they need on a Debian machine with Rust.
.PHONY: setup run demo test check fuzz bench soak prompts train eval install clean

CARGO ?= cargo
STEP = .ci/step
# Seconds of each fuzz target in `make test`.
FUZZ_SECONDS ?= 60
# The demonstration recogniser: understands the synthetic demonstration voice only. `serve` never chooses it by itself.
DEMO_MODEL = models/jiesu-demo-q8_0.bin

setup:
	@.ci/setup run

# The daemon on SIP port 5060 with one demonstration call; it stays up until interrupted.
run: setup
	$(CARGO) build
	target/debug/jiesu demo --stay

# One demonstration call on free ports, its ticket printed; exits 0 when it was filed.
demo: setup
	$(CARGO) build
	target/debug/jiesu demo

test:
	@$(STEP) setup .ci/setup test
	@$(STEP) rustfmt $(CARGO) fmt --check
	@$(STEP) build $(CARGO) build --all-targets --locked
	@$(MAKE) --no-print-directory check
	@$(STEP) tests $(CARGO) nextest run --locked --no-fail-fast
	@$(STEP) "documentation tests" $(CARGO) test --locked --doc --quiet
	@$(STEP) "G.729, which is in no default" $(CARGO) test --locked --quiet --lib --no-default-features --features g729 -- audio:: media:: sdp::
	@$(MAKE) --no-print-directory fuzz
	@echo "all gates passed"

# The gates that run no test.
check:
	@$(STEP) rustfmt $(CARGO) fmt --check
	@$(STEP) clippy $(CARGO) clippy --locked --all-targets --quiet -- -D warnings
	@$(STEP) "clippy, cores alone" $(CARGO) clippy --locked --lib --no-default-features --quiet -- -D warnings
	@$(STEP) documents env RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --quiet
	@$(STEP) deny $(CARGO) deny --log-level error check bans licenses sources
	@$(STEP) "systemd units" sh -c 'for unit; do systemd-analyze security --offline=true --threshold=15 --no-pager $$unit \
		>/dev/null || exit 1; done' units systemd/jiesu.service systemd/jiesu-worker@.service
	@$(STEP) "shipped configuration" target/debug/jiesu check

# A short run of each fuzz target (cargo-fuzz on the stable toolchain).
FUZZ_TARGETS = $(shell sed -n 's/^name = "\(fuzz_.*\)"/\1/p' tests/fuzz/Cargo.toml)
FUZZ = env RUSTC_BOOTSTRAP=1 $(CARGO) fuzz
fuzz:
	@$(STEP) "fuzz build" $(FUZZ) build --fuzz-dir tests/fuzz -O
	@printf '%s\n' $(FUZZ_TARGETS) | xargs -P 2 -I {} $(STEP) "{}" $(FUZZ) run --fuzz-dir tests/fuzz -O {} -- \
		-max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 -timeout=10 -verbosity=0

bench:
	$(CARGO) bench --bench cores
	$(CARGO) bench --bench router
	$(CARGO) bench --bench signalling
	$(CARGO) bench --bench capacity

# 1,000 times kill -9 during 20 calls (about 50 minutes), then 200,000 calls (42 minutes): not under nextest's limits.
KILLS ?= 1000
CALLS ?= 200000
soak:
	JIESU_KILLS=$(KILLS) $(CARGO) test --locked --test whole kill:: -- --nocapture
	JIESU_CALLS=$(CALLS) $(CARGO) test --locked --test whole soak:: -- --nocapture
	JIESU_FLOOD_SECONDS=90 $(CARGO) test --locked --test attacks flood::case_34 -- --nocapture

# Renders the prompts that have no recording yet; what was recorded in a studio stays.
prompts: setup
	$(CARGO) build
	target/debug/jiesu prompts

# The models (models/README.md). Hearing: the demonstration recogniser on clips of its voice. The learned classifier: its
# figures on our own sentences, and on the labelled messages where they are.
DATA = $(or $(JIESU_SHARED),../shared)/data
COMPLAINTS = $(DATA)/complaints
REQUESTS = $(DATA)/requests
JIESU = target/release/jiesu
eval:
	$(CARGO) build --release
	$(JIESU) eval asr --model $(DEMO_MODEL) tests/data/speech/clips.tsv --alaw --loss 0.02 --snr 20,10 \
		--gate clean.cer=0.06 --gate line.cer=0.06 --gate snr10.cer=0.08 --gate silence=0 --gate noise=0
	$(JIESU) eval classify --model models/classify.jlm tests/classify/sentences.csv --gate category.f1=0.9 --gate us=200
	@test -e $(DATA) || echo "SKIPPED: $(DATA) is not here; only our own sentences were asked"
	! test -e $(DATA) || $(JIESU) eval classify --model models/classify.jlm $(COMPLAINTS)/dev.csv \
		--gate category.f1=0.895 --gate category.ece=0.035 --gate category.homophones=0.89 --gate us=200
	! test -e $(DATA) || $(JIESU) eval classify --model models/classify.jlm $(REQUESTS)/dev.csv --gate type.accuracy=0.83
	! test -e $(DATA) || $(JIESU) eval classify $(COMPLAINTS)/train.csv $(COMPLAINTS)/dev.csv \
		--support $(COMPLAINTS)/segmented.csv --gate category.f1=0.905

# Nothing is learned from what is asked about, nor from what resembles it.
train:
	$(CARGO) build --release
	$(JIESU) train classify $(COMPLAINTS)/train.csv $(REQUESTS)/train.csv --support $(COMPLAINTS)/segmented.csv \
		--without $(COMPLAINTS)/dev.csv --without $(REQUESTS)/dev.csv -o models/classify.jlm

# make install DESTDIR=/tmp/root PREFIX=/usr
PREFIX ?= /usr
SHARE = $(DESTDIR)$(PREFIX)/share/jiesu
install:
	$(CARGO) build --release
	install -Dm755 target/release/jiesu $(DESTDIR)$(PREFIX)/bin/jiesu
	install -Dm644 systemd/jiesu.service $(DESTDIR)$(PREFIX)/lib/systemd/system/jiesu.service
	install -Dm644 systemd/jiesu-worker@.service $(DESTDIR)$(PREFIX)/lib/systemd/system/jiesu-worker@.service
	install -Dm644 systemd/jiesu.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/jiesu.conf
	install -Dm644 systemd/jiesu.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/jiesu.conf
	cd config && find . -type f -exec install -Dm644 {} $(DESTDIR)/etc/jiesu/{} \;
	sed -i 's|^# state_dir = .*|state_dir = "/var/lib/jiesu"|; s|^# models = .*|models = "/var/lib/jiesu/models"|; \
		s|^# model = "../models/classify.jlm"|model = "$(PREFIX)/share/jiesu/models/classify.jlm"|' $(DESTDIR)/etc/jiesu/jiesu.toml
	cd models && find . -type f ! -name '*.bin' ! -name .gitignore -exec install -Dm644 {} $(SHARE)/models/{} \;
	chmod 755 $(SHARE)/models/fetch

clean:
	$(CARGO) clean
