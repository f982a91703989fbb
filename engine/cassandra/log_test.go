package cassandra

import (
	"testing"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

func TestLogRemembers(t *testing.T) {
	name, other := gocql.UUID{1}, gocql.UUID{2}
	l := &log{name: name}
	l.see(other, tail{bucket: 9})
	if l.known {
		t.Fatal("the tail of another was taken")
	}
	for i, step := range []struct{ see, want tail }{
		{tail{bucket: 1, base: 5, head: 7, exists: true}, tail{bucket: 1, base: 5, head: 7, exists: true}},
		{tail{bucket: 1, base: 5, head: 6, exists: true}, tail{bucket: 1, base: 5, head: 7, exists: true}},                     // old
		{tail{bucket: 0, base: 1, head: 4, exists: true}, tail{bucket: 1, base: 5, head: 7, exists: true}},                     // older
		{tail{bucket: 2, base: 8, head: 7}, tail{bucket: 2, base: 8, head: 7}},                                                 // not there yet
		{tail{bucket: 1, base: 5, head: 7, exists: true}, tail{bucket: 2, base: 8, head: 7}},                                   // it is closed
		{tail{bucket: 2, base: 8, head: 9, bytes: 3, exists: true}, tail{bucket: 2, base: 8, head: 9, bytes: 3, exists: true}}, // opened
	} {
		l.see(name, step.see)
		if l.tail != step.want {
			t.Fatalf("step %d: %+v, want %+v", i, l.tail, step.want)
		}
	}
	l.forget(other)
	if !l.known {
		t.Fatal("forgotten for another")
	}
	l.forget(name)
	if l.known || l.name != (gocql.UUID{}) {
		t.Fatal("not forgotten")
	}
}

func TestMarksAreBounded(t *testing.T) {
	name := gocql.UUID{1}
	l := &log{name: name}
	for i := range int64(3 * maxMarks) {
		bucket := i * 37 % (3 * maxMarks)
		l.mark(name, mark{bucket, bucket * 10})
		l.mark(name, mark{bucket, bucket * 10})
	}
	if len(l.marks) != maxMarks {
		t.Fatalf("%d marks", len(l.marks))
	}
	for i, m := range l.marks {
		if m.base != m.bucket*10 || i > 0 && m.bucket <= l.marks[i-1].bucket {
			t.Fatalf("marks: %v", l.marks)
		}
	}
}

func TestSpent(t *testing.T) {
	for _, test := range []struct {
		b    bucketState
		want bool
	}{
		{bucketState{}, false},
		{bucketState{exists: true, head: 3, base: 1, trimmed: 4}, false}, // it takes more
		{bucketState{exists: true, closed: true, head: 3, base: 1, trimmed: 3}, false},
		{bucketState{exists: true, closed: true, head: 3, base: 1, trimmed: 4}, true},
	} {
		if got := test.b.spent(); got != test.want {
			t.Errorf("%+v: %v", test.b, got)
		}
	}
}

func TestBackoff(t *testing.T) {
	for n := 1; n < 100; n++ {
		if d := backoff(n); d < firstBackoff/2 || d > longestBackoff {
			t.Fatalf("try %d: %v", n, d)
		}
	}
}
