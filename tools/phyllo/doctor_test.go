package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/engine/cassandra"
)

func TestPrintFindings(t *testing.T) {
	findings := []cassandra.Finding{
		{Check: "one", Severity: cassandra.OK, Found: "as it should be"},
		{Check: "the second", Severity: cassandra.Warning, Found: "odd\x1b[31m", Do: "Look"},
		{Check: "three", Severity: cassandra.Unknown, Found: "not told"},
	}
	var out bytes.Buffer
	if err := printFindings(&out, findings); err != nil {
		t.Error(err)
	}
	want := `ok       one         as it should be
warning  the second  odd\x1b[31m
                     -> Look
unknown  three       not told
3 checks: 0 bad, 1 warning, 1 unknown
`
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
	out.Reset()
	err := printFindings(&out, append(findings, cassandra.Finding{Check: "four", Severity: cassandra.Bad, Found: "lost", Do: "Run"}))
	if err == nil || !strings.Contains(out.String(), "bad      four        lost\n") {
		t.Errorf("a bad finding: %v\n%s", err, out.String())
	}
}
