package sqlwire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// packetOf frames a start-up packet.
func packetOf(code uint32, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(binary.BigEndian.AppendUint32(b, code), body...)
}

func pairs(s ...string) []byte { return []byte(strings.Join(s, "\x00") + "\x00\x00") }

// TestStartupPackets sends what no client, an old one or a hostile one sends first.
func TestStartupPackets(t *testing.T) {
	fx := serve(t, nil)
	session := pairs("user", "tester", "database", "phyllo")
	cases := []struct {
		name string
		send []byte
		want string // answers until the connection is closed or ready
	}{
		{"http", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "FATAL 08P01"},
		{"zeros", make([]byte, 64), "FATAL 08P01"},
		{"length 7", []byte{0, 0, 0, 7, 0, 3, 0}, "FATAL 08P01"},
		{"length 10001", []byte{0, 0, 0x27, 0x11, 0, 3, 0, 0}, "FATAL 08P01"},
		{"negative length", []byte{0xff, 0xff, 0xff, 0xff}, "FATAL 08P01"},
		{"protocol 2", packetOf(2<<16, session), "FATAL 0A000"},
		{"protocol 4", packetOf(4<<16, session), "FATAL 0A000"},
		{"nonsense code", packetOf(77, session), "FATAL 0A000"},
		{"no terminator", packetOf(3<<16, []byte("user\x00tester")), "FATAL 08P01"},
		{"bytes behind", packetOf(3<<16, append(pairs("user", "tester"), 'x')), "FATAL 08P01"},
		{"no user", packetOf(3<<16, pairs("database", "phyllo")), "FATAL 28000"},
		{"nothing", packetOf(3<<16, []byte{0}), "FATAL 28000"},
		{"other database", packetOf(3<<16, pairs("user", "tester", "database", "nosuch")), "AuthenticationOk, FATAL 3D000"},
		{"database named like the user", packetOf(3<<16, pairs("user", "phyllo")), "ok"},
		{"replication", packetOf(3<<16, pairs("user", "tester", "database", "phyllo", "replication", "true")), "AuthenticationOk, FATAL 0A000"},
		{"replication off", packetOf(3<<16, pairs("user", "tester", "database", "phyllo", "replication", "off")), "ok"},
		{"unknown setting", packetOf(3<<16, pairs("user", "tester", "database", "phyllo", "nosuch", "1")), "AuthenticationOk, FATAL 42704"},
		{"wrong setting", packetOf(3<<16, pairs("user", "tester", "database", "phyllo", "TimeZone", "Mars")), "AuthenticationOk, FATAL 22023"},
		{"options", packetOf(3<<16, pairs("user", "tester", "database", "phyllo", "options", `-c statement_timeout=5s --application-name=a\ b`)), "ok"},
		{"wrong options", packetOf(3<<16, pairs("user", "tester", "database", "phyllo", "options", "-x")), "AuthenticationOk, FATAL 42601"},
		{"protocol 3.2", packetOf(3<<16|2, session), "NegotiateProtocolVersion, ok"},
		{"protocol 3.9999", packetOf(3<<16|9999, session), "NegotiateProtocolVersion, ok"},
		{"protocol extension", packetOf(3<<16, pairs("user", "tester", "database", "phyllo", "_pq_.magic", "1")), "NegotiateProtocolVersion, ok"},
		{"cancel of nobody", packetOf(cancelRequest, make([]byte, 8)), ""},
		{"short cancel", packetOf(cancelRequest, make([]byte, 3)), ""},
		{"five negotiations", bytes.Repeat(packetOf(sslRequest, nil), 5), "NNNN, FATAL 08P01"},
		{"ssl, gss, start", bytes.Join([][]byte{packetOf(sslRequest, nil), packetOf(gssEncRequest, nil), packetOf(3<<16, session)}, nil), "NN, ok"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			nc := fx.dial(t)
			if _, err := nc.Write(test.send); err != nil {
				t.Fatal(err)
			}
			c := over(t, nc)
			if refused, rest, ok := strings.Cut(test.want, ", "); ok && strings.HasPrefix(refused, "N") && !strings.HasPrefix(refused, "Neg") {
				answer := make([]byte, len(refused))
				if _, err := io.ReadFull(nc, answer); err != nil || string(answer) != refused {
					t.Fatalf("requests for encryption are answered %q, %v", answer, err)
				}
				test.want = rest
			}
			if !strings.HasSuffix(test.want, "ok") {
				want(t, "answers", c.untilClosed(), test.want)
				return
			}
			got := c.untilReady()
			prefix := strings.TrimSuffix(test.want, "ok")
			if !strings.HasPrefix(got, prefix+"AuthenticationOk, ParameterStatus") || !strings.HasSuffix(got, "BackendKeyData, ready I") {
				t.Errorf("answers: %s", got)
			}
		})
	}
}

// TestNegotiation checks what a client of a newer protocol is told.
func TestNegotiation(t *testing.T) {
	fx := serve(t, nil)
	nc := fx.dial(t)
	if _, err := nc.Write(packetOf(3<<16|2, pairs("user", "tester", "database", "phyllo", "_pq_.b", "1", "_pq_.a", "2"))); err != nil {
		t.Fatal(err)
	}
	m, err := over(t, nc).f.Receive()
	if err != nil {
		t.Fatal(err)
	}
	n, ok := m.(*pgproto3.NegotiateProtocolVersion)
	if !ok || n.NewestMinorProtocol != 3<<16 || strings.Join(n.UnrecognizedOptions, " ") != "_pq_.a _pq_.b" {
		t.Errorf("%#v", m)
	}
}

func TestStartupSettings(t *testing.T) {
	fx := serve(t, nil)
	c := over(t, fx.dial(t))
	c.startup(map[string]string{"user": "tester", "database": "phyllo", "application_name": "it", "options": `-c extra_float_digits=2 -capplication_name=loses`})
	c.untilReady()
	want(t, "settings", c.query("SHOW extra_float_digits; SHOW application_name"), `RowDescription, "2", SHOW, RowDescription, "it", SHOW, ready I`)
}

// TestStartupTimeout leaves the server waiting.
func TestStartupTimeout(t *testing.T) {
	fx := serve(t, func(o *Options) { o.StartupTimeout = 20 * time.Millisecond })
	want(t, "silence", over(t, fx.dial(t)).untilClosed(), "")
	nc := fx.dial(t)
	nc.Write([]byte{0, 0, 0})
	want(t, "half a packet", over(t, nc).untilClosed(), "")
}

func TestTooManyConnections(t *testing.T) {
	fx := serve(t, func(o *Options) { o.MaxConnections = 2 })
	a, b := fx.connect(t), fx.connect(t)
	c := over(t, fx.dial(t))
	c.startup(map[string]string{"user": "tester", "database": "phyllo"})
	want(t, "third", c.untilClosed(), "FATAL 53300")
	want(t, "first", a.query("SELECT 1"), `RowDescription, "1", SELECT 1, ready I`)

	// A cancel request gets through all the same.
	a.send(&pgproto3.Query{String: endless})
	cancelUntilGone(t, fx, a)
	want(t, "cancelled", strings.TrimPrefix(strings.Join(a.seen, ", "), "RowDescription, "), "ERROR 57014, ready I")

	b.send(&pgproto3.Terminate{})
	b.untilClosed()
	eventually(t, "room again", func() bool {
		fx.server.mu.Lock()
		defer fx.server.mu.Unlock()
		return len(fx.server.conns) < 2
	})
	fx.connect(t)
}

// A flood beyond what may be in start-up is turned away without a word.
func TestConnectionFlood(t *testing.T) {
	fx := serve(t, func(o *Options) { o.MaxConnections = 1 })
	for range 1 + spareConnections {
		fx.dial(t)
	}
	eventually(t, "all accepted", func() bool {
		fx.server.mu.Lock()
		defer fx.server.mu.Unlock()
		return len(fx.server.conns) == 1+spareConnections
	})
	want(t, "one more", over(t, fx.dial(t)).untilClosed(), "")
}

// certificate makes a self-signed certificate for 127.0.0.1.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, pool
}

// secured starts a server that wants a password and, if required, TLS.
func secured(t *testing.T, require bool) (*fixture, *x509.CertPool) {
	config, pool := certificate(t)
	cred, err := NewCredentials("secret\u00a0word")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, func(o *Options) {
		o.TLS, o.RequireTLS, o.Users = config, require, map[string]Credentials{"tester": cred}
	}), pool
}

func TestPasswords(t *testing.T) {
	fx, pool := secured(t, true)
	connect := func(user, password string, encrypt bool) error {
		config, err := pgconn.ParseConfig("postgres://127.0.0.1/phyllo?sslmode=disable")
		if err != nil {
			t.Fatal(err)
		}
		host, port, _ := net.SplitHostPort(fx.addr)
		config.Host, config.User, config.Password = host, user, password
		p, err := net.LookupPort("tcp", port)
		if err != nil {
			t.Fatal(err)
		}
		config.Port = uint16(p)
		if encrypt {
			config.TLSConfig = &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
		}
		conn, err := pgconn.ConnectConfig(t.Context(), config)
		if err == nil {
			conn.Close(t.Context())
		}
		return err
	}
	code := func(err error) string {
		if err == nil {
			return ""
		}
		for _, c := range []string{"28P01", "28000"} {
			if strings.Contains(err.Error(), c) {
				return c
			}
		}
		return err.Error()
	}
	want(t, "right password", code(connect("tester", "secret\u00a0word", true)), "")
	want(t, "as SASLprep sees it", code(connect("tester", "secret word", true)), "")
	want(t, "wrong password", code(connect("tester", "secret", true)), "28P01")
	want(t, "no password", code(connect("tester", "", true)), "28P01")
	want(t, "unknown user", code(connect("nobody", "secret word", true)), "28P01")
	want(t, "without TLS", code(connect("tester", "secret word", false)), "28000")
}

// TestBadSASL sends messages that do not belong into the exchange.
func TestBadSASL(t *testing.T) {
	fx, _ := secured(t, false)
	for name, test := range map[string]struct {
		send pgproto3.FrontendMessage
		want string
	}{
		"query":       {&pgproto3.Query{String: "SELECT 1"}, "AuthenticationSASL, FATAL 08P01"},
		"mechanism":   {&pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-1", Data: []byte("n,,n=,r=abc")}, "AuthenticationSASL, FATAL 08P01"},
		"nonsense":    {&pgproto3.SASLInitialResponse{AuthMechanism: mechanism, Data: []byte("nonsense")}, "AuthenticationSASL, FATAL 28P01"},
		"large":       {&pgproto3.SASLInitialResponse{AuthMechanism: mechanism, Data: make([]byte, maxAuthBytes)}, "AuthenticationSASL, FATAL 54000"},
		"hang up":     {nil, "AuthenticationSASL"},
		"early leave": {&pgproto3.Terminate{}, "AuthenticationSASL, FATAL 08P01"},
	} {
		t.Run(name, func(t *testing.T) {
			c := over(t, fx.dial(t))
			c.startup(map[string]string{"user": "tester", "database": "phyllo"})
			if test.send != nil {
				c.send(test.send)
			} else {
				c.net.(*net.TCPConn).CloseWrite()
			}
			want(t, "answers", c.untilClosed(), test.want)
		})
	}
}

// TestPlainTextBehindSSLRequest checks that what somebody in the middle adds to
// the SSLRequest is not taken for what comes after the handshake.
func TestPlainTextBehindSSLRequest(t *testing.T) {
	fx, _ := secured(t, false)
	nc := fx.dial(t)
	if _, err := nc.Write(append(packetOf(sslRequest, nil), packetOf(3<<16, pairs("user", "tester", "database", "phyllo"))...)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(nc)
	// The server takes the packet for a broken TLS record and answers an alert.
	if err != nil || len(answer) == 0 || answer[0] != 'S' || bytes.Contains(answer, []byte("SCRAM")) {
		t.Errorf("answer %q, %v", answer, err)
	}
}
