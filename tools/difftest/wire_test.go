package difftest

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A script is what a client sends at one go after start-up.
type script []pgproto3.FrontendMessage

func simple(sql string) pgproto3.FrontendMessage { return &pgproto3.Query{String: sql} }

func parse(name, sql string, types ...uint32) pgproto3.FrontendMessage {
	return &pgproto3.Parse{Name: name, Query: sql, ParameterOIDs: types}
}

// bind binds text parameters, or null, and asks for text results.
func bind(portal, stmt string, params ...string) pgproto3.FrontendMessage {
	b := &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: stmt}
	for _, p := range params {
		if p == null {
			b.Parameters = append(b.Parameters, nil)
			continue
		}
		b.Parameters = append(b.Parameters, []byte(p))
	}
	return b
}

// null stands for NULL among parameters and results.
const null = "\x00"

// binary makes a Bind ask for binary results.
func binary(m pgproto3.FrontendMessage) pgproto3.FrontendMessage {
	b := *m.(*pgproto3.Bind)
	b.ResultFormatCodes = []int16{1}
	return &b
}

// bindFormats binds the unnamed statement to the unnamed portal.
func bindFormats(params [][]byte, formats, results []int16) pgproto3.FrontendMessage {
	return &pgproto3.Bind{Parameters: params, ParameterFormatCodes: formats, ResultFormatCodes: results}
}

func describe(kind byte, name string) pgproto3.FrontendMessage {
	return &pgproto3.Describe{ObjectType: kind, Name: name}
}

func execute(portal string, rows uint32) pgproto3.FrontendMessage {
	return &pgproto3.Execute{Portal: portal, MaxRows: rows}
}

func closing(kind byte, name string) pgproto3.FrontendMessage {
	return &pgproto3.Close{ObjectType: kind, Name: name}
}

func copyData(s string) pgproto3.FrontendMessage { return &pgproto3.CopyData{Data: []byte(s)} }

var (
	synced   = &pgproto3.Sync{}
	flush    = &pgproto3.Flush{}
	copyDone = &pgproto3.CopyDone{}
	copyFail = &pgproto3.CopyFail{Message: "the client gave up"}
)

// run is Parse, Bind, Describe, Execute and Sync of one statement.
func run(sql string, params ...string) script {
	return script{parse("", sql), bind("", "", params...), describe('P', ""), execute("", 0), synced}
}

// talk plays a script to a server and returns its answers, a line each.
func talk(t *testing.T, dsn string, s script) []string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	f := pgproto3.NewFrontend(conn, conn)
	f.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30,
		Parameters: map[string]string{"user": u.User.Username(), "database": strings.TrimPrefix(u.Path, "/")}})
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	for ready := false; !ready; {
		m, err := f.Receive()
		if err != nil {
			t.Fatalf("start-up: %v", err)
		}
		_, ready = m.(*pgproto3.ReadyForQuery)
	}
	for _, m := range append(s, synced, &pgproto3.Terminate{}) {
		f.Send(m)
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for {
		m, err := f.Receive()
		if err != nil {
			return lines // the server has closed the connection
		}
		if _, failed := m.(*pgproto3.ErrorResponse); failed {
			lines = dropRows(lines)
		}
		lines = append(lines, answer(m))
	}
}

// dropRows forgets what was sent of the rows of a statement that then failed:
// how far a server comes before it notices is its own business.
func dropRows(lines []string) []string {
	n := len(lines)
	for n > 0 && (strings.HasPrefix(lines[n-1], "DataRow") || strings.HasPrefix(lines[n-1], "RowDescription")) {
		n--
	}
	return lines[:n]
}

// answer writes a message as a line that must be equal on both servers.
func answer(m pgproto3.BackendMessage) string {
	switch m := m.(type) {
	case *pgproto3.RowDescription:
		var b strings.Builder
		b.WriteString("RowDescription")
		for _, f := range m.Fields {
			fmt.Fprintf(&b, " %s:%d:%d:%d:%d", f.Name, f.DataTypeOID, f.DataTypeSize, f.TypeModifier, f.Format)
		}
		return b.String()
	case *pgproto3.ParameterDescription:
		return fmt.Sprintf("ParameterDescription %d", m.ParameterOIDs)
	case *pgproto3.DataRow:
		var b strings.Builder
		b.WriteString("DataRow")
		for _, v := range m.Values {
			if v == nil {
				b.WriteString(" NULL")
				continue
			}
			fmt.Fprintf(&b, " %q", v)
		}
		return b.String()
	case *pgproto3.ErrorResponse:
		return fmt.Sprintf("ErrorResponse %s %s position %d: %s", m.Severity, m.Code, m.Position, m.Message)
	case *pgproto3.NoticeResponse:
		return fmt.Sprintf("NoticeResponse %s %s: %s", m.Severity, m.Code, m.Message)
	case *pgproto3.CommandComplete:
		return "CommandComplete " + string(m.CommandTag)
	case *pgproto3.ReadyForQuery:
		return "ReadyForQuery " + string(m.TxStatus)
	case *pgproto3.ParameterStatus:
		return "ParameterStatus " + m.Name + "=" + m.Value
	case *pgproto3.CopyData:
		return fmt.Sprintf("CopyData %q", m.Data)
	case *pgproto3.CopyInResponse:
		return fmt.Sprintf("CopyInResponse %d %d", m.OverallFormat, m.ColumnFormatCodes)
	case *pgproto3.CopyOutResponse:
		return fmt.Sprintf("CopyOutResponse %d %d", m.OverallFormat, m.ColumnFormatCodes)
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3.")
}

// compareScripts plays scripts to both servers.
func compareScripts(t *testing.T, p *pair, scripts map[string]script) {
	for name, s := range scripts {
		t.Run(name, func(t *testing.T) {
			want, got := talk(t, p.pgDSN, s), talk(t, p.oursDSN, s)
			if len(want) == 0 {
				t.Fatal("PostgreSQL answered nothing")
			}
			if d := diffLines(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// diffLines lists both answers from the first difference on.
func diffLines(want, got []string) string {
	i := 0
	for i < len(want) && i < len(got) && want[i] == got[i] {
		i++
	}
	if i == len(want) && i == len(got) {
		return ""
	}
	from := max(0, i-2)
	part := func(lines []string) string {
		lines = lines[min(from, len(lines)):min(i+4, len(lines))]
		return "    " + strings.Join(lines, "\n    ")
	}
	return fmt.Sprintf("answers differ from message %d on\n  want\n%s\n  got\n%s", i+1, part(want), part(got))
}
