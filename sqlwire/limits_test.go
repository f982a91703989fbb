package sqlwire

import (
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestMessageTooLong sends a message of 100 MiB to a server that takes 1 MiB:
// it says so, does not keep it, and the words arrive.
func TestMessageTooLong(t *testing.T) {
	fx := serve(t, func(o *Options) { o.MaxMessageBytes = 1 << 20 })
	for _, kind := range []byte{'Q', 'P', 'B', 'd'} {
		t.Run(string(kind), func(t *testing.T) {
			c := fx.connect(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			const size = 100 << 20
			sent := make(chan error, 1)
			go func() {
				_, err := c.net.Write(binary.BigEndian.AppendUint32([]byte{kind}, size))
				block := make([]byte, 1<<20)
				for range size >> 20 {
					if err == nil {
						_, err = c.net.Write(block)
					}
				}
				sent <- err
			}()
			m, err := c.receive()
			if err != nil {
				t.Fatal(err)
			}
			e, ok := m.(*pgproto3.ErrorResponse)
			if !ok || e.Severity != "FATAL" || e.Code != "54000" || !strings.Contains(e.Message, "104857596 bytes") || e.Hint == "" {
				t.Errorf("answer %#v", m)
			}
			want(t, "then", c.untilClosed(), "")
			<-sent
			runtime.ReadMemStats(&after)
			if grown := int64(after.TotalAlloc) - int64(before.TotalAlloc); grown > 16<<20 {
				t.Errorf("%d bytes were allocated", grown)
			}
		})
	}
}

// TestBrokenMessages sends what cannot be read.
func TestBrokenMessages(t *testing.T) {
	fx := serve(t, nil)
	for name, bytes := range map[string][]byte{
		"unknown type":    {'?', 0, 0, 0, 4},
		"length too low":  {'Q', 0, 0, 0, 3},
		"negative length": {'Q', 0xff, 0xff, 0xff, 0xff},
		"no terminator":   {'Q', 0, 0, 0, 5, 'x'},
		"short bind":      {'B', 0, 0, 0, 6, 0, 0},
		"bad describe":    {'D', 0, 0, 0, 6, 'X', 0},
		"bad close":       {'C', 0, 0, 0, 6, 'X', 0},
		"password":        {'p', 0, 0, 0, 5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := fx.connect(t)
			c.seen = nil
			if _, err := c.net.Write(bytes); err != nil {
				t.Fatal(err)
			}
			want(t, "answers", c.untilClosed(), "FATAL 08P01")
		})
	}
}

// TestUnreadPipeline sends very many statements without a Sync and without
// reading: the answers may not be gathered.
func TestUnreadPipeline(t *testing.T) {
	fx := serve(t, nil)
	c := fx.connect(t)
	go func() {
		one := []pgproto3.FrontendMessage{&pgproto3.Parse{Query: "SELECT repeat('x', 10000)"}, &pgproto3.Bind{}, &pgproto3.Execute{}}
		var b []byte
		for _, m := range one {
			b, _ = m.Encode(b)
		}
		for range 2000 {
			if _, err := c.net.Write(b); err != nil {
				return
			}
		}
		b, _ = (&pgproto3.Sync{}).Encode(nil)
		c.net.Write(b)
	}()
	rows := 0
	for {
		m, err := c.f.Receive()
		if err != nil {
			t.Fatal(err)
		}
		switch m.(type) {
		case *pgproto3.DataRow:
			rows++
			continue
		case *pgproto3.ReadyForQuery:
			if rows != 2000 {
				t.Errorf("%d rows", rows)
			}
			return
		}
	}
}
