package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/phyllodb/phyllo/engine/cassandra"
)

// doctorCommand looks at a cluster for what would hurt, and changes nothing.
type doctorCommand struct {
	clusterSettings
}

// Run prints one line a check, and below it what to do.
func (c *doctorCommand) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if !cfg.Clustered() {
		return errNoCluster
	}
	findings, err := cassandra.Doctor(ctx, cfg.CassandraOptions(nil, nil))
	if err != nil {
		return withHint(err)
	}
	return printFindings(os.Stdout, findings)
}

// printFindings prints findings, and returns an error, by which the program ends
// with status 1, if one is bad.
func printFindings(out io.Writer, findings []cassandra.Finding) error {
	p := &printer{w: out}
	wide := 0
	count := map[cassandra.Severity]int{}
	for _, f := range findings {
		wide = max(wide, len(f.Check))
		count[f.Severity]++
	}
	for _, f := range findings {
		p.line("%-7s  %-*s  %s", f.Severity, wide, f.Check, p.clean(f.Found, 0))
		if f.Do != "" {
			p.line("%-7s  %-*s  -> %s", "", wide, "", p.clean(f.Do, 0))
		}
	}
	p.line("%s: %d bad, %s, %d unknown", plural(int64(len(findings)), "check"), count[cassandra.Bad],
		plural(int64(count[cassandra.Warning]), "warning"), count[cassandra.Unknown])
	if count[cassandra.Bad] > 0 {
		return fmt.Errorf("%s found that must be put right", plural(int64(count[cassandra.Bad]), "thing"))
	}
	return nil
}
