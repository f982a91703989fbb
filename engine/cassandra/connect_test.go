package cassandra

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// TestOpenIsRefused opens a store on servers that refuse in the protocol.
func TestOpenIsRefused(t *testing.T) {
	asksForPassword := func(answer func() (byte, []byte)) func(byte, []byte) (byte, []byte) {
		return func(op byte, _ []byte) (byte, []byte) {
			switch op {
			case fakeOptions:
				return fakeSupported, supported()
			case fakeStartup:
				return fakeAuthenticate, text("org.apache.cassandra.auth.PasswordAuthenticator")
			}
			return answer()
		}
	}
	for _, test := range []struct {
		name, user string
		answer     func(op byte, body []byte) (byte, []byte)
		want       error
		code       string
	}{
		{"wrong password", "app", asksForPassword(func() (byte, []byte) {
			return fakeError, errorBody(codeCredentials, "Provided username app and/or password are incorrect")
		}), ErrAuthentication, pgerr.InvalidPassword},
		{"no password", "", asksForPassword(func() (byte, []byte) { return silence, nil }), ErrAuthentication, pgerr.InvalidAuthorization},
		{"protocol", "", func(byte, []byte) (byte, []byte) {
			return fakeError, errorBody(codeProtocol, "Invalid or unsupported protocol version (4); supported versions are (5/v5)")
		}, ErrProtocol, pgerr.ProtocolViolation},
		{"silence", "", func(byte, []byte) (byte, []byte) { return silence, nil }, ErrUnreachable, pgerr.ConnectionFailure},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := startFake(t, test.answer)
			opts := Options{Hosts: []string{f.address}, Keyspace: "phyllo", User: test.user, Password: test.user, ConnectTimeout: 200 * time.Millisecond}
			for _, call := range []func() error{
				func() error { _, err := Open(t.Context(), opts); return err },
				func() error { return Migrate(t.Context(), opts, MigrateOptions{}, nil) },
			} {
				err := call()
				if !errors.Is(err, test.want) || pgerr.Code(err) != test.code {
					t.Errorf("%v (%s), want %v (%s)", err, pgerr.Code(err), test.want, test.code)
				}
				if Retryable(err) != (test.want == ErrUnreachable) {
					t.Errorf("retryable: %v", Retryable(err))
				}
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	for _, err := range []error{
		&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
		&net.OpError{Op: "remote error", Err: tls.AlertError(116)}, // certificate required
	} {
		errs := &connectErrors{errs: []error{fmt.Errorf("a:9042: %w", err)}}
		got := errs.explain(errors.New("no connections"))
		if !errors.Is(got, ErrAuthentication) || pgerr.Code(got) != pgerr.InvalidAuthorization || Retryable(got) || !errors.Is(got, err) {
			t.Errorf("%v became %v (%s)", err, got, pgerr.Code(got))
		}
	}
}

func TestOpenEndsWithContext(t *testing.T) {
	f := startFake(t, func(byte, []byte) (byte, []byte) { return silence, nil })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := Open(ctx, Options{Hosts: []string{f.address}, Keyspace: "phyllo", ConnectTimeout: 2 * time.Second}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > time.Second {
		t.Fatalf("it took %v", took)
	}
}

func TestOptions(t *testing.T) {
	good := Options{Hosts: []string{"a"}, Keyspace: "phyllo"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*Options){
		"Hosts":              func(o *Options) { o.Hosts = nil },
		"Keyspace":           func(o *Options) { o.Keyspace = `a"b` },
		"Port":               func(o *Options) { o.Port = 70000 },
		"ConnectTimeout":     func(o *Options) { o.ConnectTimeout = -1 },
		"RequestTimeout":     func(o *Options) { o.RequestTimeout = -1 },
		"AppendTimeout":      func(o *Options) { o.AppendTimeout = -1 },
		"ReadConsistency":    func(o *Options) { o.ReadConsistency = "ANY" },
		"WriteConsistency":   func(o *Options) { o.WriteConsistency = "LOCAL_SERIAL" },
		"SerialConsistency":  func(o *Options) { o.SerialConsistency = "QUORUM" },
		"Limits.PartBytes":   func(o *Options) { o.Limits.PartBytes = 1 << 20 },
		"Limits.InlineBytes": func(o *Options) { o.Limits.InlineBytes = -1 },
	} {
		bad := good
		change(&bad)
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
		if _, err := Open(t.Context(), bad); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("open with a bad %s: %v", field, err)
		}
	}
	for _, bad := range []TLS{{CAFile: "/nowhere"}, {CertFile: "a"}, {CertFile: "/nowhere", KeyFile: "/nowhere"}} {
		o := good
		o.TLS = &bad
		if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "TLS.") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
