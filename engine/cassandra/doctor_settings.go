package cassandra

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// judgeSettings judges what the servers are configured with.
func judgeSettings(all []serverFacts, opts Options) []Finding {
	checks := []struct {
		name  string
		judge func(check string, s serverFacts) Finding
	}{
		{"commit log", judgeCommitLog},
		{"disk failures", judgeDiskFailures},
		{"conditional writes", judgePaxos},
		{"timeouts", func(check string, s serverFacts) Finding { return judgeTimeouts(check, s, opts) }},
		{"guardrails", func(check string, s serverFacts) Finding { return judgeGuardrails(check, s, opts) }},
	}
	var out []Finding
	for _, c := range checks {
		out = append(out, eachServer(all, c.name, func(s serverFacts) Finding {
			if s.settingsErr != nil {
				return finding(c.name, Unknown, "%s", notOffered("system_views.settings", s.settingsErr))
			}
			return c.judge(c.name, s)
		}))
	}
	return out
}

// eachServer judges each server that answers and returns what hurts most, with
// the servers that it is about if the others are different.
func eachServer(all []serverFacts, check string, judge func(s serverFacts) Finding) Finding {
	up := answering(all)
	if len(up) == 0 {
		return finding(check, Unknown, "no server answers")
	}
	by := map[Finding][]serverFacts{}
	for _, s := range up {
		f := judge(s)
		by[f] = append(by[f], s)
	}
	if len(by) == 1 {
		return judge(up[0])
	}
	different := slices.SortedFunc(maps.Keys(by), func(a, b Finding) int { return strings.Compare(a.Found, b.Found) })
	out := worst(different...)
	var found []string
	for _, f := range different {
		if f.Severity == out.Severity {
			found = append(found, f.Found+", on "+addresses(by[f]))
		}
	}
	out.Found = strings.Join(found, "; ")
	return out
}

// setting returns a setting by its name of 4.1, or an older one whose unit was in
// its name; empty if it is not there.
func (s *serverFacts) setting(name, older, unit string) string {
	if v := s.settings[name]; v != "" {
		return v
	}
	if v := s.settings[older]; v != "" {
		return v + unit
	}
	return ""
}

// parseDuration reads a duration as Cassandra writes it, such as 2000ms or 1d.
func parseDuration(text string) (time.Duration, bool) {
	text = strings.ReplaceAll(strings.TrimSpace(text), ".0ms", "ms")
	for _, u := range []struct {
		suffix string
		unit   time.Duration
	}{{"ms", time.Millisecond}, {"us", time.Microsecond}, {"µs", time.Microsecond}, {"ns", time.Nanosecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}} {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		return time.Duration(n) * u.unit, err == nil && n >= 0 && n < int64(1<<62)/int64(u.unit)
	}
	return 0, false
}

func judgeCommitLog(check string, s serverFacts) Finding {
	const do = "Set commitlog_sync: group in cassandra.yaml, with commitlog_sync_group_window: 10ms, and restart the servers one by one"
	switch mode := s.settings["commitlog_sync"]; mode {
	case "group", "batch":
		return finding(check, OK, "commitlog_sync is %s: what is acknowledged is on the replicas' disks", mode)
	case "periodic":
		within := "some seconds"
		if d, ok := parseDuration(s.setting("commitlog_sync_period", "commitlog_sync_period_in_ms", "ms")); ok {
			within = d.String()
		}
		return finding(check, Warning, "commitlog_sync is periodic: if all replicas lose power within %s of each other, what was acknowledged in the last %s is lost; a lost process alone loses nothing", within, within).do(do)
	case "":
		return finding(check, Unknown, "the servers do not tell commitlog_sync")
	default:
		return finding(check, Unknown, "commitlog_sync is %s, which this program does not know", mode)
	}
}

func judgeDiskFailures(check string, s serverFacts) Finding {
	for _, name := range []string{"commit_failure_policy", "disk_failure_policy"} {
		switch v := s.settings[name]; v {
		case "":
			return finding(check, Unknown, "the servers do not tell %s", name)
		case "ignore":
			return finding(check, Bad, "%s is ignore: a server goes on, and acknowledges, on a disk that fails", name).
				do("Set %s: stop in cassandra.yaml", name)
		}
	}
	return finding(check, OK, "commit_failure_policy is %s, disk_failure_policy is %s", s.settings["commit_failure_policy"], s.settings["disk_failure_policy"])
}

// judgePaxos judges what conditional writes go by. Logs and leases are only safe
// if reads at the serial level see every write that was decided.
func judgePaxos(check string, s serverFacts) Finding {
	switch v := s.settings["paxos_variant"]; {
	case v == "":
		return finding(check, Unknown, "this version of Cassandra does not offer paxos_variant (4.1 does)")
	case strings.Contains(v, "without_linearizable"):
		return finding(check, Bad, "paxos_variant is %s: reads need not see what was decided, and Phyllo's logs rely on that", v).
			do("Set paxos_variant: v2 (or v1) in cassandra.yaml on all servers")
	case v == "v1":
		return finding(check, OK, "paxos_variant is v1; v2 needs fewer round trips for each commit")
	case v == "v2":
		return finding(check, OK, "paxos_variant is v2")
	default:
		return finding(check, Unknown, "paxos_variant is %s, which this program does not know", v)
	}
}

// judgeTimeouts wants servers to give up before we do: they say what became of a
// request, we only know that we do not know.
func judgeTimeouts(check string, s serverFacts, opts Options) Finding {
	var longest time.Duration
	var which string
	for _, name := range []string{"write_request_timeout", "read_request_timeout", "cas_contention_timeout"} {
		text := s.setting(name, name+"_in_ms", "ms")
		d, ok := parseDuration(text)
		if !ok {
			return finding(check, Unknown, "the servers do not tell %s (%q)", name, text)
		}
		if d > longest {
			longest, which = d, name
		}
	}
	if longest >= opts.RequestTimeout {
		return finding(check, Warning, "%s of the servers is %v, and requests are given up here after %v: what became of them is then not known", which, longest, opts.RequestTimeout).
			do("Raise --cassandra-request-timeout of Phyllo above %v, or lower the servers' one", longest)
	}
	return finding(check, OK, "servers give up after %v at most, requests are given up here after %v", longest, opts.RequestTimeout)
}

// judgeGuardrails looks for limits that refuse what Phyllo does.
func judgeGuardrails(check string, s serverFacts, opts Options) Finding {
	if s.settings["max_mutation_size"] == "" && s.settings["max_mutation_size_in_kb"] == "" {
		return finding(check, Unknown, "the servers do not tell their limits")
	}
	for _, name := range []string{"column_value_size_fail_threshold", "max_mutation_size"} {
		if n, ok := parseSize(s.setting(name, name+"_in_kb", "KiB")); ok && n < leastMutation {
			return finding(check, Bad, "%s is %s, and Phyllo writes parts of %d KiB", name, s.setting(name, name+"_in_kb", "KiB"), maxPartBytes>>10).
				do("Raise it to 1MiB at least in cassandra.yaml")
		}
	}
	for name, levels := range map[string][]string{
		"read_consistency_levels_disallowed":  {opts.ReadConsistency, opts.SerialConsistency, "LOCAL_ONE"},
		"write_consistency_levels_disallowed": {opts.WriteConsistency, opts.SerialConsistency},
	} {
		for item := range strings.SplitSeq(strings.Trim(s.settings[name], "[]"), ",") {
			if level := strings.TrimSpace(item); slices.Contains(levels, level) {
				return finding(check, Bad, "%s has %s, which Phyllo uses", name, level).do("Take it out in cassandra.yaml, or choose other levels")
			}
		}
	}
	return finding(check, OK, "none refuses what Phyllo does")
}

// leastMutation is what servers must take in one write: a part and its key.
const leastMutation = maxPartBytes + 128<<10

// parseSize reads a size as Cassandra writes it, such as 16384KiB.
func parseSize(text string) (int64, bool) {
	for _, u := range []struct {
		suffix string
		unit   int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}} {
		if digits, ok := strings.CutSuffix(text, u.suffix); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
			return n * u.unit, err == nil && n >= 0 && n < 1<<62/u.unit
		}
	}
	return 0, false
}

// shortList joins at most a few items, and says how many more there are.
func shortList(items []string) string {
	const most = 4
	if len(items) <= most {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:most], ", "), len(items)-most)
}
