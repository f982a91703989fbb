package query

import "context"

// Ping runs a query through all layers.
func (e *Engine) Ping(ctx context.Context) error {
	s, err := e.NewSession(SessionOptions{User: "phyllo", Database: e.opt.Database, Client: silent{}})
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Simple(ctx, "SELECT 1")
}
