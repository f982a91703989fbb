package testenv

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
)

// answering is a connection to a server that reads the requests, which must be
// those wanted, and gives the answers.
func answering(t *testing.T, want, answers []string) *cqlConn {
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer server.Close()
		for i, w := range want {
			got := make([]byte, len(w))
			if _, err := io.ReadFull(server, got); err != nil || string(got) != w {
				t.Errorf("request %d: got %q, error %v, want %q", i, got, err, w)
				return
			}
			if _, err := io.WriteString(server, answers[i]); err != nil {
				t.Error(err)
			}
		}
	}()
	t.Cleanup(func() { client.Close(); <-done })
	return &cqlConn{client}
}

const (
	startupFrame = "\x04\x00\x00\x00\x01\x00\x00\x00\x16\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0"
	passwordName = "\x04\x00\x00\x00\x0f\x00\x00\x00\x08\x00\x00\x00\x04\x00u\x00p"
)

func TestCQLLogin(t *testing.T) {
	for _, test := range []struct {
		name          string
		want, answers []string
		err           string
	}{
		{"open", []string{startupFrame}, []string{"\x84\x00\x00\x00\x02\x00\x00\x00\x00"}, ""},
		{"password", []string{startupFrame, passwordName}, []string{"\x84\x00\x00\x00\x03\x00\x00\x00\x03\x00\x01x", "\x84\x00\x00\x00\x10\x00\x00\x00\x04\xff\xff\xff\xff"}, ""},
		{"refused", []string{startupFrame, passwordName}, []string{"\x84\x00\x00\x00\x03\x00\x00\x00\x03\x00\x01x", "\x84\x00\x00\x00\x00\x00\x00\x00\x08\x00\x00\x01\x00\x00\x02no"}, "CQL error 0x0100: no"},
		{"something else", []string{startupFrame}, []string{"\x84\x00\x00\x00\x08\x00\x00\x00\x00"}, "the answer is 0x08"},
		{"long", []string{startupFrame}, []string{"\x84\x00\x00\x00\x02\xff\xff\xff\xff"}, "4294967295 bytes"},
		{"short error", []string{startupFrame}, []string{"\x84\x00\x00\x00\x00\x00\x00\x00\x01x"}, "an error of 1 bytes"},
		{"cut off", []string{startupFrame}, []string{"\x84\x00\x00\x00\x02\x00\x00\x00\x01"}, "EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := answering(t, test.want, test.answers).login("u", "p")
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			var refused *cqlError
			if errors.As(err, &refused) != (test.name == "refused") {
				t.Errorf("error %v is a server's: %t", err, refused != nil)
			}
		})
	}
}

func TestParseInts(t *testing.T) {
	const head = "\x00\x00\x00\x02\x00\x00\x00\x05\x00\x00\x00\x01"
	for _, test := range []struct {
		name, answer string
		want         []int32
		ok           bool
	}{
		{"two", head + "\x00\x00\x00\x02\x00\x00\x00\x04\x00\x00\x00\x07\x00\x00\x00\x04\xff\xff\xff\xff", []int32{7, -1}, true},
		{"NULL", head + "\x00\x00\x00\x01\xff\xff\xff\xff", nil, true},
		{"none", head + "\x00\x00\x00\x00", nil, true},
		{"many, cut off", head + "\x7f\xff\xff\xff", nil, false},
		{"text", head + "\x00\x00\x00\x01\x00\x00\x00\x01x", nil, false},
		{"value cut off", head + "\x00\x00\x00\x01\x00\x00\x00\x04\x00", nil, false},
		{"more", head + "\x00\x00\x00\x00x", nil, false},
		{"two columns", "\x00\x00\x00\x02\x00\x00\x00\x05\x00\x00\x00\x02\x00\x00\x00\x00", nil, false},
		{"with types", "\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00", nil, false},
		{"of several pages", "\x00\x00\x00\x02\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\x00", nil, false},
		{"no rows at all", "\x00\x00\x00\x01", nil, false},
	} {
		got, ok := parseInts([]byte(test.answer))
		if ok != test.ok || ok && !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, %t, want %v, %t", test.name, got, ok, test.want, test.ok)
		}
	}
}

// TestTLSFiles lets a server and a client with the files talk to each other.
func TestTLSFiles(t *testing.T) {
	c := testCluster(t, CassandraOptions{Nodes: 3, TLS: true, ClientCertificates: true})
	c.dir = t.TempDir()
	if err := c.makeTLSFiles(); err != nil {
		t.Fatal(err)
	}
	files := c.TLSFiles()
	before, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.makeTLSFiles(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(files.CA); err != nil || string(after) != string(before) {
		t.Errorf("a second start made another authority; error %v", err)
	}
	client, err := c.tlsConfig("127.0.0.3")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(files.server, files.server)
	if err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: client.RootCAs, ClientAuth: tls.RequireAndVerifyClientCert}
	if err := handshake(client, server); err != nil {
		t.Error(err)
	}
	without := client.Clone()
	without.Certificates = nil
	if err := handshake(without, server); err == nil {
		t.Error("a client without a certificate got in")
	}
	elsewhere := client.Clone()
	elsewhere.ServerName = "127.0.0.4"
	if err := handshake(elsewhere, server); err == nil {
		t.Error("the certificate is good for another host")
	}
}

func handshake(client, server *tls.Config) error {
	a, b := net.Pipe()
	defer a.Close()
	accepted := make(chan error, 1)
	go func() {
		defer b.Close()
		accepted <- tls.Server(b, server).Handshake()
	}()
	// A refusal of the client's certificate comes with the first read, after the
	// client's handshake.
	conn := tls.Client(a, client)
	err := conn.Handshake()
	if err == nil {
		if _, err = conn.Read(make([]byte, 1)); err == io.EOF {
			err = nil
		}
	}
	a.Close()
	return errors.Join(err, <-accepted)
}
