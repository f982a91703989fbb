package cassandra

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// plural is a number with its noun.
func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// judgeServers says which servers answer. Whether enough do is judged with the
// replication.
func judgeServers(all []serverFacts) Finding {
	const check = "servers"
	var down []string
	centres := map[string]int{}
	for _, s := range all {
		centres[s.dc]++
		if s.err != nil {
			why := s.err.Error()
			if errors.Is(s.err, gocql.ErrNoConnections) {
				why = "no connection"
			}
			down = append(down, fmt.Sprintf("%s (%s)", s.address, why))
		}
	}
	var where []string
	for _, dc := range slices.Sorted(maps.Keys(centres)) {
		where = append(where, fmt.Sprintf("%s in %s", plural(centres[dc], "server"), dc))
	}
	if len(down) == 0 {
		return finding(check, OK, "%s, all answer", strings.Join(where, ", "))
	}
	return finding(check, Warning, "%s; no answer from %d: %s", strings.Join(where, ", "), len(down), shortList(down)).
		do("Start them, or open the way to them: see nodetool status and their logs")
}

// The least version of Cassandra that Phyllo works with.
const leastMajor, leastMinor = 4, 1

func judgeVersions(all []serverFacts) Finding {
	const check = "version of Cassandra"
	by := map[string][]serverFacts{}
	old := false
	for _, s := range answering(all) {
		by[s.version] = append(by[s.version], s)
		major, minor, ok := parseVersion(s.version)
		old = old || ok && (major < leastMajor || major == leastMajor && minor < leastMinor)
	}
	var parts []string
	for _, v := range slices.Sorted(maps.Keys(by)) {
		if len(by) == 1 {
			parts = append(parts, v)
		} else {
			parts = append(parts, fmt.Sprintf("%s on %s", v, addresses(by[v])))
		}
	}
	text := strings.Join(parts, "; ")
	switch {
	case len(by) == 0:
		return finding(check, Unknown, "no server answers")
	case old:
		return finding(check, Bad, "%s; Phyllo needs %d.%d", text, leastMajor, leastMinor).do("Upgrade Cassandra")
	case len(by) > 1:
		return finding(check, Warning, "%s", text).do("Finish the upgrade, with nodetool upgradesstables on each server after it")
	}
	return finding(check, OK, "%s", text)
}

func parseVersion(v string) (major, minor int, ok bool) {
	a, rest, _ := strings.Cut(v, ".")
	b, _, _ := strings.Cut(rest, ".")
	b, _, _ = strings.Cut(b, "-")
	major, err1 := strconv.Atoi(a)
	minor, err2 := strconv.Atoi(b)
	return major, minor, err1 == nil && err2 == nil
}

// schemaVersions returns the servers that answer by the schema that they have.
func schemaVersions(all []serverFacts) map[string][]serverFacts {
	out := map[string][]serverFacts{}
	for _, s := range answering(all) {
		out[s.schema] = append(out[s.schema], s)
	}
	return out
}

func judgeAgreement(all []serverFacts) Finding {
	const check = "schema agreement"
	by := schemaVersions(all)
	if len(by) == 0 {
		return finding(check, Unknown, "no server answers")
	}
	var parts []string
	for _, v := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%.8s on %s", v, addresses(by[v])))
	}
	if len(by) == 1 {
		return finding(check, OK, "%.8s on all servers that answer", slices.Sorted(maps.Keys(by))[0])
	}
	return finding(check, Bad, "servers have different schemas: %s", strings.Join(parts, "; ")).
		do("Wait a minute and look again; then restart the servers of the smaller group one by one, or run nodetool resetlocalschema on them, and change no schema meanwhile")
}
