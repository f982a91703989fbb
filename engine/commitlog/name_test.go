package commitlog

import (
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

func TestSourceNames(t *testing.T) {
	for _, s := range []Source{
		{"a", 0}, {"node-1", 0x00c0ffee}, {"kafka/orders/7", 1<<64 - 1}, {"/", 5}, {strings.Repeat("x", 255), 1}, {"\x00\xff", 2},
	} {
		if got, err := ParseSource(s.String()); err != nil || got != s {
			t.Errorf("%q: %v, %v", s.String(), got, err)
		}
	}
	for _, key := range []string{
		"", "a", "/0000000000000000", "a/0", "a/00000000000000001", "a/000000000000000G", "a/000000000000000A", "a/+000000000000001",
		strings.Repeat("x", 256) + "/0000000000000000",
	} {
		if s, err := ParseSource(key); err == nil {
			t.Errorf("%q is taken for %v", key, s)
		}
	}
}

func TestLogNames(t *testing.T) {
	parts := []chunk.PartitionID{{Table: 1}, {Table: 4294967295, Key: "k"}, {Table: 12, Key: "/"}, {Table: 12, Key: "@3/\x00\xff"}, {Key: "x"}}
	seen := map[store.LogID]bool{}
	for _, p := range parts {
		got, err := ParseLogID(LogID(p))
		if err != nil || got != p {
			t.Errorf("%v: %v, %v", p, got, err)
		}
		for _, id := range []store.LogID{LogID(p), storedName{seq: 3}.id(p), storedName{seq: 33}.id(p), nameOf(3, nil).id(p), nameOf(3, []byte{1}).id(p), nameOf(33, nil).id(p)} {
			if seen[id] {
				t.Errorf("%v is the name of two things", id)
			}
			seen[id] = true
		}
		if p, err := ParseLogID(nameOf(3, nil).id(p)); err == nil {
			t.Errorf("a checkpoint's name is taken for the log of %v", p)
		}
	}
	for _, key := range []string{"", "1", "/", "01/", "+1/", "-1/", "4294967296/", "1 /", "x/"} {
		if p, err := ParseLogID(store.LogID{Kind: store.CommitLog, Key: key}); err == nil {
			t.Errorf("%q is taken for %v", key, p)
		}
	}
	if _, err := ParseLogID(store.LogID{Kind: store.SourceLog, Key: "1/"}); err == nil {
		t.Error("a source log is taken for a commit log")
	}
}
