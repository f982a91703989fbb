package testenv

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// CassandraTLS names the PEM files with which clients reach a cluster over TLS.
type CassandraTLS struct {
	CA   string // the authority that signed the servers' certificate
	Cert string // a client's certificate, signed by it too
	Key  string // the client's private key

	server string // private key and certificate of the servers
}

// TLSFiles returns the files of a cluster that was started with TLS.
func (c *Cassandra) TLSFiles() CassandraTLS {
	dir := filepath.Join(c.dir, "tls")
	return CassandraTLS{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "client.pem"),
		Key: filepath.Join(dir, "client-key.pem"), server: filepath.Join(dir, "server.pem")}
}

// tlsConfig is how we ourselves connect to a node; nil is plain TCP.
func (c *Cassandra) tlsConfig(host string) (*tls.Config, error) {
	if !c.options.TLS {
		return nil, nil
	}
	files := c.TLSFiles()
	text, err := os.ReadFile(files.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", files.CA)
	}
	cert, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: pool, ServerName: host, Certificates: []tls.Certificate{cert}}, nil
}

// certificateAge is how long the certificates are good for.
const certificateAge = 10 * 365 * 24 * time.Hour

// makeTLSFiles makes an authority, a certificate for all nodes and one for
// clients, unless an earlier start made them.
func (c *Cassandra) makeTLSFiles() error {
	files := c.TLSFiles()
	if _, err := os.Stat(files.Key); err == nil { // the one written last
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(files.CA), 0o700); err != nil {
		return err
	}
	ca, err := newCertificate(&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "phyllo test authority"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}, nil)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "cassandra"}, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, host := range c.Hosts() {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(host))
	}
	server, err := newCertificate(template, ca)
	if err != nil {
		return err
	}
	client, err := newCertificate(&x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "phyllo"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, ca)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(files.CA, ca.certPEM, 0o600), os.WriteFile(files.server, append(server.keyPEM, server.certPEM...), 0o600),
		os.WriteFile(files.Cert, client.certPEM, 0o600), os.WriteFile(files.Key, client.keyPEM, 0o600))
}

// A certificate with its private key, parsed and as PEM.
type certificate struct {
	cert            *x509.Certificate
	key             *ecdsa.PrivateKey
	certPEM, keyPEM []byte
}

// newCertificate completes a template and has it signed by an authority; nil is itself.
func newCertificate(template *x509.Certificate, by *certificate) (*certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = template.NotBefore.Add(certificateAge)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	out := &certificate{key: key}
	if out.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	out.certPEM, out.keyPEM = encodePEM("CERTIFICATE", der), encodePEM("PRIVATE KEY", pkcs8)
	return out, nil
}

func encodePEM(kind string, der []byte) []byte {
	var b bytes.Buffer
	pem.Encode(&b, &pem.Block{Type: kind, Bytes: der}) // a Buffer takes everything
	return b.Bytes()
}
