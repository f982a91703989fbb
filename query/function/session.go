package function

import (
	"crypto/rand"
	"runtime"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// sessionKernels are the functions that ask for the session and the server.
func sessionKernels(k kernels) {
	k.add(ofSession(func(s Session) (string, error) {
		number, _ := s.Setting("server_version")
		return "PostgreSQL " + number + " (Phyllo) on " + runtime.GOARCH + "-" + runtime.GOOS + ", compiled by " + runtime.Version() + ", 64-bit", nil
	}), "pgsql_version")
	k.add(ofSession(func(s Session) (string, error) { return s.User(), nil }), "current_user", "session_user")
	k.add(ofSession(func(s Session) (string, error) { return s.Database(), nil }), "current_database")
	k.add(ofSession(func(s Session) (int32, error) { return s.BackendPID(), nil }), "pg_backend_pid")
	k.add(boxed(func(c *Context, _ []datum.Value) (datum.Value, error) {
		s, err := session(c)
		if err != nil {
			return nil, err
		}
		if path := s.SearchPath(false); len(path) > 0 {
			return path[0], nil
		}
		return nil, nil
	}), "current_schema")
	k.add(fn1c(func(c *Context, implicit bool) (datum.Array, error) {
		s, err := session(c)
		if err != nil {
			return datum.Array{}, err
		}
		return nameArray(s.SearchPath(implicit)), nil
	}), "current_schemas")
	k.add(fn0(func(*Context) (string, error) { return "UTF8", nil }), "pg_client_encoding", "getdatabaseencoding")
	k.add(fn1c(func(c *Context, pid int32) (bool, error) { return signalBackend(c, pid, false) }), "pg_cancel_backend")
	k.add(fn1c(func(c *Context, pid int32) (bool, error) { return signalBackend(c, pid, true) }), "pg_terminate_backend")
	settingKernels(k)
	randomKernels(k)
	sequenceKernels(k)
	sleepKernels(k)
	lockKernels(k)
	constantKernels(k)
}

// session returns the session, which only plans without one lack.
func session(c *Context) (Session, error) {
	if c.Session == nil {
		return nil, pgerr.Unsupported("this function needs a session")
	}
	return c.Session, nil
}

func ofSession[R scalar](f func(Session) (R, error)) evalFunc {
	return fn0(func(c *Context) (R, error) {
		s, err := session(c)
		if err != nil {
			var none R
			return none, err
		}
		return f(s)
	})
}

func nameArray(names []string) datum.Array {
	a := datum.Array{Elem: datum.Of(datum.Name)}
	for _, n := range names {
		a.Values = append(a.Values, n)
	}
	return a
}

func signalBackend(c *Context, pid int32, terminate bool) (bool, error) {
	s, err := session(c)
	if err != nil {
		return false, err
	}
	return s.Cancel(pid, terminate), nil
}

func settingKernels(k kernels) {
	k.add(fn1c(func(c *Context, name string) (string, error) {
		s, err := session(c)
		if err != nil {
			return "", err
		}
		v, ok := s.Setting(name)
		if !ok {
			return "", pgerr.New(pgerr.UndefinedObject, "unrecognized configuration parameter \"%s\"", name)
		}
		return v, nil
	}), "show_config_by_name")
	k.add(strictBoxed(func(c *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
		s, err := session(c)
		if err != nil {
			return nil, err
		}
		v, ok := s.Setting(args[0].(string))
		switch {
		case ok:
			return v, nil
		case args[1].(bool):
			return nil, nil
		}
		return nil, pgerr.New(pgerr.UndefinedObject, "unrecognized configuration parameter \"%s\"", args[0])
	}, datum.Text, datum.Bool), "show_config_by_name_missing_ok")
	k.add(boxed(setConfig, datum.Text, datum.Text, datum.Bool), "set_config_by_name")
	k.addSet(allSettings, "show_all_settings")
	k.addSet(optionRows, "pg_options_to_table")
}

// setConfig is set_config(name, value, local); it returns the new value.
func setConfig(c *Context, args []datum.Value) (datum.Value, error) {
	s, err := session(c)
	switch {
	case err != nil:
		return nil, err
	case args[0] == nil:
		return nil, pgerr.New(pgerr.NullNotAllowed, "SET requires parameter name")
	case args[1] == nil:
		return nil, pgerr.Unsupported("set_config with a null value is not supported").WithHint("Use RESET.")
	}
	local, _ := args[2].(bool)
	name := args[0].(string)
	if err := s.SetSetting(name, args[1].(string), local); err != nil {
		return nil, err
	}
	v, _ := s.Setting(name)
	return v, nil
}

func randomKernels(k kernels) {
	k.add(ofSession(func(s Session) (float64, error) { return s.Random().Float64(), nil }), "drandom")
	k.add(voidFunc(func(c *Context, args []Vec) (func(int) error, error) {
		s, err := session(c)
		if err != nil {
			return nil, err
		}
		seed := reader[float64](args[0])
		return func(i int) error {
			v := seed(i)
			if !(v >= -1 && v <= 1) {
				return pgerr.New(pgerr.InvalidParameterValue, "setseed parameter %s is out of allowed range [-1,1]", strconv.FormatFloat(v, 'g', 6, 64))
			}
			s.Random().Seed(v)
			return nil
		}, nil
	}), "setseed")
	k.add(fn0(func(*Context) (datum.UUIDValue, error) {
		var u datum.UUIDValue
		if _, err := rand.Read(u[:]); err != nil {
			return u, pgerr.New(pgerr.InternalError, "could not generate random values")
		}
		u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
		return u, nil
	}), "gen_random_uuid")
}

// voidFunc makes a kernel of a strict function without a result; begin returns
// what is to be done for a row.
func voidFunc(begin func(c *Context, args []Vec) (func(row int) error, error)) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		if anyNull(args) {
			return allNull(c.Mem, ret, n), nil
		}
		do, err := begin(c, args)
		if err != nil {
			return nil, err
		}
		mask := strictNulls(c.Mem, args, n)
		defer mask.release()
		for i := range n {
			if mask.null(i) {
				continue
			}
			if err := do(i); err != nil {
				return nil, err
			}
		}
		return allNull(c.Mem, ret, n), nil
	}
}

func sleepKernels(k kernels) {
	k.add(voidFunc(func(c *Context, args []Vec) (func(int) error, error) {
		seconds := reader[float64](args[0])
		return func(i int) error { return sleep(c, seconds(i)) }, nil
	}), "pg_sleep")
	// pg_sleep_for and pg_sleep_until.
	k.add(voidFunc(func(c *Context, args []Vec) (func(int) error, error) {
		length := reader[datum.IntervalValue](args[0])
		return func(i int) error {
			return sleep(c, spanFloat(length(i)))
		}, nil
	}), "oid3935")
	k.add(voidFunc(func(c *Context, args []Vec) (func(int) error, error) {
		until := reader[datum.Micros](args[0])
		return func(i int) error { return sleep(c, (float64(until(i))-float64(time.Now().UnixMicro()))/1e6) }, nil
	}), "oid3936")
}

// sleep waits for seconds, or until the statement is cancelled.
func sleep(c *Context, seconds float64) error {
	if !(seconds > 0) {
		return nil
	}
	const longest = 1e9
	t := time.NewTimer(time.Duration(min(seconds, longest) * float64(time.Second)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-c.Done():
		return canceled(c)
	}
}

// myTempSchema is the session's schema of temporary relations, 0 if it has none.
func myTempSchema(c *Context) datum.OID {
	for _, name := range searchPath(c) {
		for oid, ns := range c.Catalog.Namespaces {
			if ns.Temporary && ns.Name == name {
				return oid
			}
		}
	}
	return 0
}

// constantKernels answer for what this server does not have: a standby's
// recovery, triggers and so on.
func constantKernels(k kernels) {
	no := fn0(func(*Context) (bool, error) { return false, nil })
	k.add(no, "pg_is_in_recovery", "pg_jit_available")
	k.add(fn0(func(*Context) (bool, error) {
		return false, pgerr.New(pgerr.ObjectNotInState, "recovery is not in progress").
			WithHint("Recovery control functions can only be executed during recovery.")
	}), "pg_is_wal_replay_paused")
	k.add(fn0(func(*Context) (int32, error) { return 0, nil }), "pg_trigger_depth")
	k.add(fn0(func(c *Context) (datum.OID, error) { return myTempSchema(c), nil }), "pg_my_temp_schema")
	k.add(fn1c(func(c *Context, oid datum.OID) (bool, error) {
		ns := c.Catalog.Namespaces[oid]
		return ns != nil && ns.Temporary && oid != myTempSchema(c), nil
	}), "pg_is_other_temp_schema")
	k.add(fn1(func(datum.OID) (bool, error) { return false, nil }), "row_security_active")
	nothing := voidFunc(func(*Context, []Vec) (func(int) error, error) { return func(int) error { return nil }, nil })
	k.add(nothing, "pg_stat_clear_snapshot")
	unknown := boxed(func(*Context, []datum.Value) (datum.Value, error) { return nil, nil }, datum.AnyOID)
	k.add(unknown, "inet_client_port", "inet_server_port")
	k.addSet(func(*Context, []datum.Value, []datum.Type, datum.Type) (SetResult, error) { return &valueRows{}, nil },
		"pg_partition_ancestors", "pg_partition_tree")
}

// typeOf is pg_typeof, for any argument.
func typeOf(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
	t := args[0].T.Declared()
	if t == 0 {
		t = datum.Unknown
	}
	return datum.NewArray(c.Mem, ret, t, n), nil
}
