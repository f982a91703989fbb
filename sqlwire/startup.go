package sqlwire

import (
	"crypto/tls"
	"encoding/binary"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query"
)

// maxAuthBytes bounds messages of clients that are not authenticated yet.
const maxAuthBytes = 64 << 10

// startup negotiates encryption, authenticates and opens the session, all within
// StartupTimeout.
func (c *conn) startup() error {
	if !c.await(c.server.opt.StartupTimeout) {
		return errHandled
	}
	c.setWriteDeadline(c.server.opt.StartupTimeout)
	params, err := c.receiveStartup()
	if err != nil {
		return err
	}
	c.in = &wideReader{src: c.net}
	c.backend = pgproto3.NewBackend(c.in, c.net)
	c.backend.SetMaxBodyLen(maxAuthBytes)
	if c.full {
		c.server.metrics.refused.Inc()
		return fatal(pgerr.New(pgerr.TooManyConnections, "sorry, too many clients already"))
	}
	user := params["user"]
	if user == "" {
		return fatal(pgerr.New(pgerr.InvalidAuthorization, "no PostgreSQL user name specified in startup packet"))
	}
	if err := c.authenticate(user); err != nil {
		c.server.metrics.refused.Inc()
		c.server.opt.Logger.Warn("authentication failed", slog.String("user", user),
			slog.String("client", c.raw.RemoteAddr().String()), slog.String("error", err.Error()))
		return err
	}
	c.backend.SetMaxBodyLen(c.server.opt.MaxMessageBytes)
	c.setWriteDeadline(0)
	return c.openSession(params, user)
}

func (c *conn) setWriteDeadline(after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	deadline := time.Time{}
	if after > 0 {
		deadline = time.Now().Add(after)
	}
	c.raw.SetWriteDeadline(deadline)
}

// receiveStartup reads packets until the real start-up message, whose
// parameters it returns; it answers requests for encryption and carries out
// cancel requests.
func (c *conn) receiveStartup() (map[string]string, error) {
	for range 4 { // SSL, GSS, then the message: more is a client that plays games
		p, err := readPacket(c.net)
		if err != nil {
			return nil, err
		}
		switch {
		case p.code == sslRequest:
			err = c.upgrade()
		case p.code == gssEncRequest:
			_, err = c.net.Write([]byte{'N'})
		case p.code == cancelRequest:
			if len(p.body) == 8 {
				c.server.opt.Engine.Cancel(int32(binary.BigEndian.Uint32(p.body)), binary.BigEndian.Uint32(p.body[4:]))
			}
			err = errHandled
		case p.code>>16 == protocolVersion>>16:
			return c.begin(p)
		default:
			err = fatal(pgerr.Unsupported("unsupported frontend protocol %d.%d: server supports 3.0 to 3.0", p.code>>16, p.code&0xffff))
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fatal(pgerr.New(pgerr.ProtocolViolation, "too many negotiation requests"))
}

// upgrade answers an SSLRequest.
func (c *conn) upgrade() error {
	if _, secure := c.net.(*tls.Conn); c.server.opt.TLS == nil || secure {
		_, err := c.net.Write([]byte{'N'})
		return err
	}
	if _, err := c.net.Write([]byte{'S'}); err != nil {
		return err
	}
	t := tls.Server(c.net, c.server.opt.TLS)
	if err := t.Handshake(); err != nil {
		c.server.opt.Logger.Info("TLS handshake failed", slog.String("client", c.raw.RemoteAddr().String()), slog.String("error", err.Error()))
		return errHandled
	}
	c.net = t
	return nil
}

// begin takes the start-up message. A client that asks for more than protocol
// 3.0 is told what it gets.
func (c *conn) begin(p packet) (map[string]string, error) {
	params, err := p.parameters()
	if err != nil {
		return nil, fatal(err)
	}
	if _, secure := c.net.(*tls.Conn); c.server.opt.RequireTLS && !secure {
		c.server.metrics.refused.Inc()
		return nil, fatal(pgerr.New(pgerr.InvalidAuthorization, "connection requires TLS").WithHint("Connect with sslmode=require."))
	}
	var unknown []string
	for _, k := range slices.Sorted(maps.Keys(params)) {
		if strings.HasPrefix(k, "_pq_.") {
			unknown = append(unknown, k)
			delete(params, k)
		}
	}
	if p.code != protocolVersion || unknown != nil {
		// PostgreSQL sends the whole version number where its documentation
		// says minor version, and libpq wants it so.
		c.send(&pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: protocolVersion, UnrecognizedOptions: unknown})
	}
	return params, nil
}

func (c *conn) openSession(startup map[string]string, user string) error {
	params := maps.Clone(startup)
	database := params["database"]
	if database == "" {
		database = user
	}
	switch strings.ToLower(params["replication"]) {
	case "", "false", "off", "no", "0":
	default:
		return fatal(pgerr.Unsupported("replication connections are not supported"))
	}
	for _, name := range []string{"user", "database", "replication", "options"} {
		delete(params, name)
	}
	options, err := parseOptions(startup["options"])
	if err != nil {
		return fatal(err)
	}
	maps.Copy(options, params) // what the packet says itself wins, as in PostgreSQL
	host, _, _ := net.SplitHostPort(c.raw.RemoteAddr().String())
	_, secure := c.net.(*tls.Conn)
	c.session, err = c.server.opt.Engine.NewSession(query.SessionOptions{
		User: user, Database: database, Settings: options, Client: c, RemoteAddr: host, TLS: secure,
		Terminate: func() { c.terminate(errShutdown) },
		Notified:  c.notify,
	})
	if err != nil {
		return fatal(err)
	}
	for _, p := range c.session.ReportedSettings() {
		c.ParameterStatus(p[0], p[1])
	}
	c.sendChanged()
	pid, secret := c.session.Key()
	c.send(&pgproto3.BackendKeyData{ProcessID: uint32(pid), SecretKey: binary.BigEndian.AppendUint32(nil, secret)})
	return c.ready()
}

// parseOptions reads the start-up packet's options: -c name=value and --name=value,
// with backslash escaping blanks.
func parseOptions(s string) (map[string]string, error) {
	out := map[string]string{}
	words := splitOptions(s)
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "-c" && i+1 < len(words):
			i++
			w = words[i]
		case strings.HasPrefix(w, "-c"):
			w = w[2:]
		case strings.HasPrefix(w, "--"):
			w = w[2:]
		default:
			return nil, pgerr.New(pgerr.SyntaxError, "invalid command-line argument for server process: %s", w)
		}
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			return nil, pgerr.New(pgerr.SyntaxError, "-c %s requires a value", w)
		}
		out[strings.ReplaceAll(name, "-", "_")] = value
	}
	return out, nil
}

func splitOptions(s string) []string {
	var words []string
	var b strings.Builder
	in := false
	for i := 0; i < len(s); i++ {
		switch ch := s[i]; {
		case ch == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
			in = true
		case ch == ' ' || ch == '\t' || ch == '\n':
			if in {
				words = append(words, b.String())
				b.Reset()
				in = false
			}
		default:
			b.WriteByte(ch)
			in = true
		}
	}
	if in {
		words = append(words, b.String())
	}
	return words
}
