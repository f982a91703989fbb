package cassandra

import (
	"context"
	"log/slog"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// A driverLog passes on what the driver logs. What it calls errors are mostly
// servers that are down, of which requests tell if it matters, and which it tells of
// twice a second: an event of a server is passed on once in quietTime.
type driverLog struct {
	to *slog.Logger

	mu     sync.Mutex // guards events
	events map[driverEvent]*repeated
}

type driverEvent struct{ text, host string }

// repeated says when an event was passed on last, and how often it was not since.
type repeated struct {
	at   time.Time
	more int
}

const (
	quietTime = time.Minute
	// maxDriverEvents bounds what is remembered; what was is forgotten then.
	maxDriverEvents = 4096
)

func (l *driverLog) log(level slog.Level, text string, fields []gocql.LogField) {
	if !l.to.Enabled(context.Background(), level) {
		return
	}
	event := driverEvent{text: text}
	attrs := make([]slog.Attr, 0, len(fields)+2)
	attrs = append(attrs, slog.String("event", text))
	for _, f := range fields {
		attrs = append(attrs, slog.String(f.Name, f.Value.String()))
		if f.Name == "host_addr" || f.Name == "host" {
			event.host = f.Value.String()
		}
	}
	more, pass := l.pass(event, time.Now())
	if !pass {
		return
	}
	if more > 0 {
		attrs = append(attrs, slog.Int("times_before", more))
	}
	l.to.LogAttrs(context.Background(), level, "cassandra driver", attrs...)
}

// pass says whether an event is to be passed on, and how often it was not before.
func (l *driverLog) pass(event driverEvent, now time.Time) (more int, pass bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.events[event]
	if r != nil && now.Sub(r.at) < quietTime {
		r.more++
		return 0, false
	}
	if r != nil {
		more = r.more
	}
	if l.events == nil || len(l.events) >= maxDriverEvents {
		l.events = map[driverEvent]*repeated{}
	}
	l.events[event] = &repeated{at: now}
	return more, true
}

func (l *driverLog) Error(text string, fields ...gocql.LogField) {
	l.log(slog.LevelWarn, text, fields)
}

func (l *driverLog) Warning(text string, fields ...gocql.LogField) {
	l.log(slog.LevelWarn, text, fields)
}

func (l *driverLog) Info(text string, fields ...gocql.LogField) {
	l.log(slog.LevelDebug, text, fields)
}

func (l *driverLog) Debug(text string, fields ...gocql.LogField) {
	l.log(slog.LevelDebug, text, fields)
}
