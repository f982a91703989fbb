// Package reading is how a session wants its statements to read where there are
// replicas and other nodes. It travels in contexts, from the session that knows
// the settings to the store that asks the replicas.
package reading

import "context"

// Options say how to read. The zero value is the server's default.
type Options struct {
	// Latest asks that a statement sees all that any node had committed when it
	// began, and not only what is at most a second old.
	Latest bool
	// Consistency is the level at which replicas are asked, such as LOCAL_ONE;
	// empty: the configured one. It is for what a query reads; what decides the
	// outcome of a write is read as it has to be. A store that has no replicas takes
	// no notice; one that does not know the level fails the read.
	Consistency string
	// Once says that what is read will not be asked for again: it does not take the place
	// of other things in memory.
	Once bool
}

type key struct{}

// With returns a context with the options.
func With(ctx context.Context, o Options) context.Context {
	if o == (Options{}) && ctx.Value(key{}) == nil {
		return ctx
	}
	return context.WithValue(ctx, key{}, o)
}

// From returns a context's options.
func From(ctx context.Context) Options {
	o, _ := ctx.Value(key{}).(Options)
	return o
}
