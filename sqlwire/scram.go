package sqlwire

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/xdg-go/scram"
	"golang.org/x/text/secure/precis"
)

// Credentials are what the server keeps of a password: enough to check it by
// SCRAM-SHA-256 (RFC 7677), not enough to log in elsewhere.
type Credentials struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// NewCredentials derives credentials from a password with a random salt.
func NewCredentials(password string) (Credentials, error) {
	prepared, err := precis.OpaqueString.String(password)
	if err != nil {
		prepared = password // as PostgreSQL: what SASLprep refuses is taken as it is
	}
	c := Credentials{Salt: make([]byte, 16), Iterations: 4096}
	if _, err := rand.Read(c.Salt); err != nil {
		return c, err
	}
	salted, err := pbkdf2.Key(sha256.New, prepared, c.Salt, c.Iterations, sha256.Size)
	if err != nil {
		return c, err
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	c.StoredKey, c.ServerKey = stored[:], mac(salted, "Server Key")
	return c, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func (c *conn) authenticate(user string) error {
	if len(c.server.opt.Users) > 0 {
		if err := c.scram(user); err != nil {
			return err
		}
	}
	c.send(&pgproto3.AuthenticationOk{})
	return nil
}

// mechanism is the one that is offered.
const mechanism = "SCRAM-SHA-256"

// scram runs a SCRAM-SHA-256 exchange. Unknown users go through the motions
// with credentials that no password fits, so that names cannot be probed.
func (c *conn) scram(user string) error {
	failed := fatal(pgerr.New(pgerr.InvalidPassword, "password authentication failed for user %q", user))
	cred, known := c.server.opt.Users[user]
	if !known {
		var err error
		if cred, err = NewCredentials(rand.Text()); err != nil {
			return err
		}
	}
	srv, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) {
		return scram.StoredCredentials{
			KeyFactors: scram.KeyFactors{Salt: string(cred.Salt), Iters: cred.Iterations},
			StoredKey:  cred.StoredKey, ServerKey: cred.ServerKey,
		}, nil
	})
	if err != nil {
		return err
	}
	conv := srv.NewConversation()
	c.send(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{mechanism}})
	first, err := c.receiveSASL(pgproto3.AuthTypeSASL)
	if err != nil {
		return err
	}
	answer, err := conv.Step(first)
	if err != nil {
		return failed
	}
	c.send(&pgproto3.AuthenticationSASLContinue{Data: []byte(answer)})
	final, err := c.receiveSASL(pgproto3.AuthTypeSASLContinue)
	if err != nil {
		return err
	}
	answer, err = conv.Step(final)
	if err != nil || !conv.Valid() || !known {
		return failed
	}
	c.send(&pgproto3.AuthenticationSASLFinal{Data: []byte(answer)})
	return nil
}

func (c *conn) receiveSASL(kind uint32) (string, error) {
	if err := c.flush(); err != nil {
		return "", err
	}
	if err := c.backend.SetAuthType(kind); err != nil {
		return "", err
	}
	m, err := c.backend.Receive()
	if err != nil {
		return "", err
	}
	switch m := m.(type) {
	case *pgproto3.SASLInitialResponse:
		if m.AuthMechanism != mechanism {
			return "", fatal(pgerr.New(pgerr.ProtocolViolation, "client selected an invalid SASL authentication mechanism"))
		}
		return string(m.Data), nil
	case *pgproto3.SASLResponse:
		return string(m.Data), nil
	}
	return "", fatal(pgerr.New(pgerr.ProtocolViolation, "expected SASL response, got message type %T", m))
}
