// The floor: Go's x/crypto/ssh, one interactive shell per host, nothing but the work. Protocol as in rounds.py.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

type task struct {
	Hosts    []string `json:"hosts"`
	Port     int      `json:"port"`
	HostKey  string   `json:"host_key"`
	Username string   `json:"username"`
	Password string   `json:"password"`
	Lines    []string `json:"lines"`
	Body     string   `json:"body"`
}

const atOnce = 50

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func one(host string, t *task, config *ssh.ClientConfig, body []byte) {
	client, err := ssh.Dial("tcp", fmt.Sprintf("%s:%d", host, t.Port), config)
	fail(err)
	defer client.Close()
	session, err := client.NewSession()
	fail(err)
	in, err := session.StdinPipe()
	fail(err)
	out, err := session.StdoutPipe()
	fail(err)
	fail(session.RequestPty("vt100", 9999, 511, ssh.TerminalModes{}))
	fail(session.Shell())
	buffer := make([]byte, 0, 8192)
	untilPrompt := func() []byte {
		for !bytes.HasSuffix(buffer, []byte("\n# ")) {
			if len(buffer) == cap(buffer) {
				buffer = append(buffer, 0)[:len(buffer)]
			}
			n, err := out.Read(buffer[len(buffer):cap(buffer)])
			fail(err)
			buffer = buffer[:len(buffer)+n]
		}
		text := buffer
		buffer = buffer[:0]
		return text
	}
	untilPrompt()
	for _, line := range t.Lines {
		_, err = in.Write([]byte(line + "\r"))
		fail(err)
		text := bytes.TrimSuffix(bytes.TrimPrefix(untilPrompt(), []byte(line+"\r\n")), []byte("# "))
		if !bytes.Equal(text, body) {
			fail(fmt.Errorf("wrong output: %d bytes instead of %d", len(text), len(body)))
		}
	}
}

func play(hosts []string, t *task, config *ssh.ClientConfig, body []byte) {
	var done sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, host := range hosts {
		done.Add(1)
		places <- struct{}{}
		go func(host string) {
			one(host, t, config, body)
			<-places
			done.Done()
		}(host)
	}
	done.Wait()
}

func cpu() float64 {
	var used syscall.Rusage
	fail(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<20)
	input.Scan()
	var t task
	fail(json.Unmarshal(input.Bytes(), &t))
	body, err := base64.StdEncoding.DecodeString(t.Body)
	fail(err)
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(t.HostKey))
	fail(err)
	config := &ssh.ClientConfig{
		User:            t.Username,
		Auth:            []ssh.AuthMethod{ssh.Password(t.Password)},
		HostKeyCallback: ssh.FixedHostKey(key),
	}
	config.Ciphers = []string{"aes128-gcm@openssh.com"}
	config.KeyExchanges = []string{"curve25519-sha256@libssh.org"}
	play(t.Hosts[:10], &t, config, body)
	fmt.Println("{}")
	for input.Scan() {
		begun, used := time.Now(), cpu()
		play(t.Hosts, &t, config, body)
		used, count := cpu()-used, float64(len(t.Hosts))
		fmt.Printf("{\"cpu_ms\": %f, \"adapters_per_s\": %f}\n", used/count*1000, count/time.Since(begun).Seconds())
	}
}
