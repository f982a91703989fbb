package cassandra

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// wantFinding checks a finding's severity, words of what was found, and that
// what hurts comes with what to do.
func wantFinding(t *testing.T, f Finding, want Severity, words string) {
	t.Helper()
	if f.Severity != want || !strings.Contains(f.Found, words) {
		t.Errorf("%s: %v %q, want %v with %q", f.Check, f.Severity, f.Found, want, words)
	}
	if hurts := f.Severity >= Warning; hurts != (f.Do != "") {
		t.Errorf("%s: %v says to do %q", f.Check, f.Severity, f.Do)
	}
}

func TestDoctorReplication(t *testing.T) {
	one := func(servers, down int) place {
		return place{local: "dc1", servers: map[string]int{"dc1": servers}, down: map[string]int{"dc1": down}}
	}
	two := func(down1, down2 int) place {
		return place{local: "dc1", servers: map[string]int{"dc1": 3, "dc2": 3}, down: map[string]int{"dc1": down1, "dc2": down2}}
	}
	network := func(replicas ...string) *keyspaceFacts {
		k := &keyspaceFacts{name: "ks", class: "NetworkTopologyStrategy", replication: map[string]string{}, durableWrites: true}
		for i := 0; i < len(replicas); i += 2 {
			k.replication[replicas[i]] = replicas[i+1]
		}
		return k
	}
	simple := func(n string) *keyspaceFacts {
		return &keyspaceFacts{name: "ks", class: "SimpleStrategy", replication: map[string]string{"replication_factor": n}, durableWrites: true}
	}
	undurable := network("dc1", "3")
	undurable.durableWrites = false
	type want struct {
		s     Severity
		words string
	}
	for _, c := range []struct {
		name                 string
		k                    *keyspaceFacts
		p                    place
		strategy, factor, up want
	}{
		{"three of three", network("dc1", "3"), one(3, 0), want{OK, "Network"}, want{OK, "3 replicas in dc1"}, want{OK, "quorum"}},
		{"one server", network("dc1", "1"), one(1, 0), want{OK, ""}, want{Warning, "1 replica in dc1"}, want{OK, ""}},
		{"one replica of three servers", network("dc1", "1"), one(3, 0), want{OK, ""}, want{Bad, "1 replica in dc1, with 3"}, want{OK, ""}},
		{"one replica, one down", network("dc1", "1"), one(3, 1), want{OK, ""}, want{Bad, ""}, want{Bad, "some rows lack"}},
		{"two replicas", network("dc1", "2"), one(3, 0), want{OK, ""}, want{Warning, "none may be down"}, want{OK, ""}},
		{"three, one down", network("dc1", "3"), one(3, 1), want{OK, ""}, want{OK, ""}, want{Warning, "still has a quorum, which one more would end"}},
		{"three, two down", network("dc1", "3"), one(3, 2), want{OK, ""}, want{OK, ""}, want{Bad, "no row has a quorum"}},
		{"three of six, two down", network("dc1", "3"), one(6, 2), want{OK, ""}, want{OK, ""}, want{Bad, "some rows lack"}},
		{"five, one down", network("dc1", "5"), one(5, 1), want{OK, ""}, want{OK, ""}, want{Warning, "still has a quorum"}},
		{"three replicas, one server", network("dc1", "3"), one(1, 0), want{OK, ""}, want{Bad, "no quorum"}, want{OK, ""}},
		{"three replicas, two servers", network("dc1", "3"), one(2, 0), want{OK, ""}, want{Warning, "fewer copies"}, want{OK, ""}},
		{"three replicas, two servers, one down", network("dc1", "3"), one(2, 1), want{OK, ""}, want{Warning, ""}, want{Bad, "quorum of 3"}},
		{"simple", simple("3"), one(3, 0), want{Warning, "SimpleStrategy"}, want{OK, "3 replicas"}, want{OK, ""}},
		{"simple, one", simple("1"), one(3, 0), want{Warning, "SimpleStrategy"}, want{Bad, "1 replica, with 3"}, want{OK, ""}},
		{"simple in two centres", simple("3"), two(0, 0), want{Bad, "2 data centres"}, want{OK, ""}, want{OK, ""}},
		{"two centres", network("dc1", "3", "dc2", "3"), two(0, 0), want{OK, ""}, want{OK, "3 replicas in dc1, 3 replicas in dc2"}, want{OK, ""}},
		{"the other centre is down", network("dc1", "3", "dc2", "3"), two(0, 3), want{OK, ""}, want{OK, ""}, want{Warning, "Phyllo cannot work there"}},
		{"ours is down", network("dc1", "3", "dc2", "3"), two(2, 0), want{OK, ""}, want{OK, ""}, want{Bad, "no row has"}},
		{"a centre that is not there", network("dc1", "3", "dc9", "3"), one(3, 0), want{Bad, "dc9"}, want{OK, ""}, want{OK, ""}},
		{"no replicas in ours", network("dc2", "3"), two(0, 0), want{Bad, "no replicas in dc1"}, want{OK, ""}, want{OK, ""}},
		{"not durable", undurable, one(3, 0), want{Bad, "DURABLE_WRITES"}, want{OK, ""}, want{OK, ""}},
		{"transient replicas", network("dc1", "3/1"), one(3, 0), want{OK, ""}, want{OK, "3 replicas"}, want{OK, ""}},
		{"unknown strategy", &keyspaceFacts{class: "Odd", replication: map[string]string{"x": "y"}}, one(3, 0), want{Unknown, "Odd"}, want{Unknown, ""}, want{Unknown, ""}},
		{"no keyspace", nil, one(3, 0), want{Unknown, "missing"}, want{Unknown, ""}, want{Unknown, ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judgeReplication(c.k, c.p)
			for i, w := range []want{c.strategy, c.factor, c.up} {
				wantFinding(t, got[i], w.s, w.words)
			}
		})
	}
}

func up(address string) serverFacts {
	return serverFacts{address: address, dc: "dc1", version: "5.0.8", schema: "aaaaaaaaaa", settings: map[string]string{}}
}

func TestDoctorClocks(t *testing.T) {
	at := func(address string, offset, bound time.Duration) serverFacts {
		s := up(address)
		s.clock = clockSample{offset, bound}
		return s
	}
	const ms = time.Millisecond
	for _, c := range []struct {
		name        string
		servers     []serverFacts
		among, ours Severity
		words       string
	}{
		{"together", []serverFacts{at("a", ms, 2*ms), at("b", -ms, 2*ms)}, OK, OK, "a is ahead of b by 2ms ± 4ms"},
		{"not for certain", []serverFacts{at("a", 60*ms, 20*ms), at("b", 0, 20*ms)}, OK, OK, ""},
		{"apart", []serverFacts{at("a", 60*ms, ms), at("b", 0, ms)}, Warning, Warning, "a is ahead of b"},
		{"behind", []serverFacts{at("a", 0, ms), at("b", -3*time.Second, ms)}, Bad, Bad, "a is ahead of b by 3s"},
		{"we are wrong", []serverFacts{at("a", 3*time.Second, ms), at("b", 3*time.Second, ms)}, OK, Bad, ""},
		{"too slow to tell", []serverFacts{at("a", 0, time.Second), at("b", 0, time.Second)}, Unknown, OK, ""},
		{"alone", []serverFacts{at("a", 0, ms)}, OK, OK, "1 server to compare"},
		{"silent ones do not count", []serverFacts{at("a", 0, ms), {address: "b", err: errors.New("down"), clock: clockSample{time.Hour, ms}}}, OK, OK, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			among, ours := judgeClocks(c.servers), judgeOurClock(c.servers)
			if among.Severity != c.among || ours.Severity != c.ours || !strings.Contains(among.Found, c.words) {
				t.Errorf("%v %q, %v %q", among.Severity, among.Found, ours.Severity, ours.Found)
			}
		})
	}
	wantFinding(t, judgeOurClock([]serverFacts{at("a", -3*time.Second, ms)}), Bad, "a is behind it by 3s")
}

func TestDoctorCluster(t *testing.T) {
	a, b, down := up("a"), up("b"), serverFacts{address: "c", dc: "dc1", err: errors.New("it is gone")}
	wantFinding(t, judgeServers([]serverFacts{a, b}), OK, "2 servers in dc1, all answer")
	wantFinding(t, judgeServers([]serverFacts{a, down}), Warning, "no answer from 1: c (it is gone)")
	wantFinding(t, judgeVersions([]serverFacts{a, b, down}), OK, "5.0.8")
	wantFinding(t, judgeVersions([]serverFacts{down}), Unknown, "")
	wantFinding(t, judgeAgreement([]serverFacts{a, b, down}), OK, "aaaaaaaa ")
	b.version, b.schema = "5.1-beta1", "bbbbbbbbbb"
	wantFinding(t, judgeVersions([]serverFacts{a, b}), Warning, "5.0.8 on a; 5.1-beta1 on b")
	wantFinding(t, judgeAgreement([]serverFacts{a, b}), Bad, "aaaaaaaa on a; bbbbbbbb on b")
	b.version = "4.0.17"
	wantFinding(t, judgeVersions([]serverFacts{a, b}), Bad, "needs 4.1")
	b.version = "4.1-rc1"
	wantFinding(t, judgeVersions([]serverFacts{b}), OK, "4.1-rc1")
}

func TestDoctorSettings(t *testing.T) {
	good := map[string]string{
		"commitlog_sync": "group", "commit_failure_policy": "stop", "disk_failure_policy": "stop", "paxos_variant": "v2",
		"write_request_timeout": "2000ms", "read_request_timeout": "5s", "cas_contention_timeout": "1000ms", "max_mutation_size": "16384KiB",
		"read_consistency_levels_disallowed": "[]",
	}
	for _, c := range []struct {
		check, key, value string
		want              Severity
		words             string
	}{
		{"commit log", "commitlog_sync", "group", OK, "group"},
		{"commit log", "commitlog_sync", "batch", OK, "batch"},
		{"commit log", "commitlog_sync", "periodic", Warning, "some seconds"},
		{"commit log", "commitlog_sync", "", Unknown, "commitlog_sync"},
		{"disk failures", "commit_failure_policy", "ignore", Bad, "commit_failure_policy is ignore"},
		{"disk failures", "disk_failure_policy", "best_effort", OK, "best_effort"},
		{"conditional writes", "paxos_variant", "v1", OK, "v1"},
		{"conditional writes", "paxos_variant", "", Unknown, "4.1"},
		{"conditional writes", "paxos_variant", "v1_without_linearizable_reads_or_rejected_writes", Bad, "rely"},
		{"timeouts", "read_request_timeout", "9999ms", OK, "9.999s"},
		{"timeouts", "write_request_timeout", "10s", Warning, "write_request_timeout of the servers is 10s"},
		{"timeouts", "write_request_timeout", "soon", Unknown, "soon"},
		{"guardrails", "column_value_size_fail_threshold", "256KiB", Bad, "512 KiB"},
		{"guardrails", "max_mutation_size", "600KiB", Bad, "max_mutation_size is 600KiB"},
		{"guardrails", "max_mutation_size", "1MiB", OK, ""},
		{"guardrails", "read_consistency_levels_disallowed", "[ALL, LOCAL_QUORUM]", Bad, "LOCAL_QUORUM"},
		{"guardrails", "read_consistency_levels_disallowed", "[ALL]", OK, ""},
	} {
		t.Run(c.check+"/"+c.key+"="+c.value, func(t *testing.T) {
			odd, even := up("a"), up("b")
			for k, v := range good {
				odd.settings[k], even.settings[k] = v, v
			}
			odd.settings[c.key] = c.value
			for _, f := range judgeSettings([]serverFacts{even, odd}, Options{}.withDefaults()) {
				if f.Check != c.check {
					if f.Severity != OK {
						t.Errorf("%s: %v %q", f.Check, f.Severity, f.Found)
					}
					continue
				}
				wantFinding(t, f, c.want, c.words)
				if c.want != OK && !strings.HasSuffix(f.Found, ", on a") {
					t.Errorf("%s does not say where: %q", f.Check, f.Found)
				}
			}
		})
	}
	old := up("a")
	old.settings = map[string]string{"commitlog_sync": "periodic", "commitlog_sync_period_in_ms": "10000", "write_request_timeout_in_ms": "2000",
		"read_request_timeout_in_ms": "5000", "cas_contention_timeout_in_ms": "1000", "commit_failure_policy": "die", "disk_failure_policy": "die"}
	f := judgeSettings([]serverFacts{old}, Options{}.withDefaults())
	wantFinding(t, f[0], Warning, "within 10s")
	wantFinding(t, f[3], OK, "5s at most")
	wantFinding(t, f[4], Unknown, "limits")
	old.settingsErr = errors.New("no such table")
	for _, f := range judgeSettings([]serverFacts{old}, Options{}.withDefaults()) {
		wantFinding(t, f, Unknown, "system_views.settings")
	}
}

func TestDoctorTables(t *testing.T) {
	names := ourTables("ks")
	if len(names) < 8 {
		t.Fatalf("our tables: %v", names)
	}
	make := func() map[string]tableFacts {
		out := map[string]tableFacts{}
		for _, n := range names {
			out[n] = tableFacts{compression: map[string]string{"class": "LZ4Compressor"}, gcGrace: 864000}
		}
		for _, n := range uncompressed {
			out[n] = tableFacts{compression: map[string]string{"enabled": "false"}, gcGrace: 864000}
		}
		return out
	}
	d := &doctor{opts: Options{Keyspace: "ks", Hosts: []string{"h"}}}
	wantFinding(t, d.judgePresence("tables", make()), OK, "all")
	wantFinding(t, judgeCompression("compression", "ks", make()), OK, "chunks and parts")
	wantFinding(t, judgeExpiry("expiry", "ks", make()), OK, "")
	m := make()
	m["parts"] = tableFacts{compression: map[string]string{"class": "LZ4Compressor"}, ttl: 5, gcGrace: 864000}
	wantFinding(t, judgeCompression("compression", "ks", m), Warning, "on for parts,")
	wantFinding(t, judgeExpiry("expiry", "ks", m), Bad, "parts has a default time to live of 5 s")
	m["parts"] = tableFacts{compression: map[string]string{"enabled": "false"}}
	wantFinding(t, judgeExpiry("expiry", "ks", m), Warning, "gc_grace_seconds of parts is 0")
	delete(m, "parts")
	delete(m, "chunks")
	wantFinding(t, d.judgePresence("tables", m), Bad, "chunks, parts")
	wantFinding(t, judgeCompression("compression", "ks", m), Unknown, "missing")
}

func TestDoctorLoad(t *testing.T) {
	a := up("a")
	a.load = loadFacts{partitions: []tableNumber{{"logs", 3}, {"chunks", 20}}, tombstones: []tableNumber{{"logs", 999}}, running: 2, waiting: 3}
	f := judgeLoad([]serverFacts{a})
	wantFinding(t, f[0], OK, "20 MiB")
	wantFinding(t, f[1], OK, "999 at most")
	wantFinding(t, f[2], OK, "2 run, 3 wait")
	a.load = loadFacts{partitions: []tableNumber{{"logs", 3000}}, tombstones: []tableNumber{{"logs", 1000}}, waiting: manyCompactions}
	f = judgeLoad([]serverFacts{up("b"), a})
	wantFinding(t, f[0], Warning, "3000 MiB in logs on a")
	wantFinding(t, f[1], Warning, "a read of logs on a met 1000")
	wantFinding(t, f[2], Warning, "32 on a")
	a.load.tombstones[0].n = tooManyTombstones
	wantFinding(t, judgeLoad([]serverFacts{a})[1], Bad, "refuse")
	none := errors.New("no such table")
	a.load = loadFacts{partitionsErr: none, tombstonesErr: none, compactionsErr: none}
	for _, f := range judgeLoad([]serverFacts{a}) {
		if f.Severity != Unknown || !strings.Contains(f.Found, "system_views") {
			t.Errorf("%s: %v %q", f.Check, f.Severity, f.Found)
		}
	}
}

func TestDoctorNodes(t *testing.T) {
	now := time.Unix(1700000000, 0)
	wantFinding(t, judgeNodes("nodes", nil, now), OK, "none")
	a := lease{"a", now.Add(-time.Second), 9 * time.Second}
	wantFinding(t, judgeNodes("nodes", []lease{a}, now), OK, "a (heard of 1.0 s ago, lease for 9 s more)")
	b := lease{"b", now.Add(-7 * time.Second), 3 * time.Second}
	wantFinding(t, judgeNodes("nodes", []lease{a, b}, now), Warning, "2 nodes")
	wantFinding(t, judgeJournals("journals", []lease{a}, nil), OK, "every commit is in the cluster")
	wantFinding(t, judgeJournals("journals", []lease{a}, []string{"a"}), OK, "1 node with durability = local running: a")
	wantFinding(t, judgeJournals("journals", []lease{a}, []string{"a", "c"}), Bad, "its disk only: c")
}
