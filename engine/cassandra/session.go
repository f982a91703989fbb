package cassandra

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// protocolVersion is pinned: version 5 costs several times more CPU per blob
// in the driver.
const protocolVersion = 4

// cluster returns the driver's configuration, without policies.
func (o Options) cluster() (*gocql.ClusterConfig, error) {
	c := gocql.NewCluster(o.Hosts...)
	c.Port = o.Port
	c.ProtoVersion = protocolVersion
	c.ConnectTimeout, c.Timeout, c.WriteTimeout = o.ConnectTimeout, o.RequestTimeout, o.RequestTimeout
	c.NumConns = o.NumConns
	c.ReconnectInterval = reconnectInterval
	c.ConvictionPolicy = noConviction{}
	c.Metadata.CacheMode = gocql.KeyspaceOnly
	c.Logger = &driverLog{to: o.Logger}
	if o.User != "" || o.Password != "" {
		c.Authenticator = gocql.PasswordAuthenticator{Username: o.User, Password: o.Password}
	}
	if o.TLS != nil {
		config, err := o.TLS.config()
		if err != nil {
			return nil, err
		}
		c.SslOpts = &gocql.SslOptions{Config: config, EnableHostVerification: !o.TLS.SkipHostVerification}
	}
	if o.Dial != nil {
		c.Dialer = dialer(o.Dial)
	}
	return c, nil
}

// noConviction leaves a server to which no connection can be made among those that are up. Then
// requests that find its pool empty have it filled again, beside those that servers' own events tell of. The driver's default
// takes the pool away and has a timer bring it back for servers that are down; but a connection that
// broke as soon as it was made may be told of after that, which leaves a server "up" for ever that has no pool.
type noConviction struct{}

// AddFailure implements gocql.ConvictionPolicy.
func (noConviction) AddFailure(error, *gocql.HostInfo) bool { return false }

// Reset implements gocql.ConvictionPolicy.
func (noConviction) Reset(*gocql.HostInfo) {}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d(ctx, network, address)
}

// connectErrors remembers why connections failed: the driver's own error says
// it only in words.
type connectErrors struct {
	mu   sync.Mutex
	errs []error
}

const maxConnectErrors = 16

// ObserveConnect implements gocql.ConnectObserver.
func (c *connectErrors) ObserveConnect(o gocql.ObservedConnect) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.Err != nil && len(c.errs) < maxConnectErrors {
		c.errs = append(c.errs, fmt.Errorf("%s: %w", o.Host.HostnameAndPort(), o.Err))
	}
}

// explain says why no session came to be.
func (c *connectErrors) explain(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errs) > 0 {
		err = errors.Join(c.errs...)
	}
	text := err.Error()
	kind, e := ErrUnreachable, pgerr.New(pgerr.ConnectionFailure, "could not connect to Cassandra: %v", err)
	code, _ := serverCode(err)
	var untrusted *tls.CertificateVerificationError
	var alert tls.AlertError
	switch {
	case errors.As(err, &untrusted):
		kind, e.Code = ErrAuthentication, pgerr.InvalidAuthorization
		e.Hint = "The server's certificate is not signed by whom the TLS settings trust, or is for another name."
	case errors.As(err, &alert):
		kind, e.Code = ErrAuthentication, pgerr.InvalidAuthorization
		e.Hint = "The server refuses the connection: it may ask for a client certificate, or for one that it trusts."
	case code == gocql.ErrCodeCredentials:
		kind, e.Code = ErrAuthentication, pgerr.InvalidPassword
	case code == gocql.ErrCodeUnauthorized:
		kind, e.Code = ErrAuthentication, pgerr.InvalidAuthorization
	case strings.Contains(text, "authentication required"):
		kind, e.Code = ErrAuthentication, pgerr.InvalidAuthorization
		e.Hint = "The cluster asks for a user and a password."
	case code == gocql.ErrCodeProtocol || strings.Contains(text, "unsupported protocol version"):
		kind, e.Code = ErrProtocol, pgerr.ProtocolViolation
		e.Hint = fmt.Sprintf("The servers must speak version %d of Cassandra's protocol.", protocolVersion)
	}
	e.Cause = fmt.Errorf("%w: %w", kind, err)
	return e
}

// newSession connects; the driver has no context for it, so it goes on in the
// background after ctx has ended, and is closed then.
func newSession(ctx context.Context, c *gocql.ClusterConfig) (*gocql.Session, error) {
	errs := &connectErrors{}
	c.ConnectObserver = errs
	type result struct {
		session *gocql.Session
		err     error
	}
	done := make(chan result, 1)
	go func() {
		s, err := c.CreateSession()
		done <- result{s, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, errs.explain(r.err)
		}
		return r.session, nil
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil {
				r.session.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// connect opens the session that a store works with.
func (o Options) connect(ctx context.Context, dc string) (*gocql.Session, error) {
	c, err := o.cluster()
	if err != nil {
		return nil, err
	}
	l, err := o.levels()
	if err != nil {
		return nil, err
	}
	c.Consistency, c.SerialConsistency = l.write, l.serial
	c.PoolConfig.HostSelectionPolicy = newHostPolicy(dc)
	return newSession(ctx, c)
}
