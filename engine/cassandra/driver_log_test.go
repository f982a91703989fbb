package cassandra

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// TestDriverLog has a server be down for long: the log says so, but not all the time.
func TestDriverLog(t *testing.T) {
	var out bytes.Buffer
	l := &driverLog{to: slog.New(slog.NewTextHandler(&out, nil))}
	for range 100 {
		l.Error("Node is DOWN.", gocql.NewLogFieldString("host_addr", "10.0.0.1"))
		l.Error("Node is DOWN.", gocql.NewLogFieldString("host_addr", "10.0.0.2"))
	}
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines for two servers:\n%s", n, out.String())
	}
	more, pass := l.pass(driverEvent{"Node is DOWN.", "10.0.0.1"}, time.Now().Add(quietTime))
	if more != 99 || !pass {
		t.Errorf("a minute later: passed on %v, with %d before", pass, more)
	}
	for i := range 2 * maxDriverEvents {
		l.pass(driverEvent{text: strconv.Itoa(i)}, time.Now())
	}
	if n := len(l.events); n > maxDriverEvents {
		t.Errorf("%d events are remembered", n)
	}
}
