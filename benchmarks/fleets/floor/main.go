// The floor: Go's x/crypto as an SSH server with one user and one answer. It takes the task as JSON on standard input
// (see fakenos_devices.py), prints {} when it listens, and ends with its standard input.
package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
)

type task struct {
	Ports    []int
	User     string
	Password string
	Text     string
}

func main() {
	input := bufio.NewReader(os.Stdin)
	line, err := input.ReadBytes('\n')
	check(err)
	var told task
	check(json.Unmarshal(line, &told))
	_, private, err := ed25519.GenerateKey(rand.Reader)
	check(err)
	signer, err := ssh.NewSignerFromKey(private)
	check(err)
	config := &ssh.ServerConfig{
		PasswordCallback: func(meta ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			if meta.User() != told.User || string(password) != told.Password {
				return nil, fmt.Errorf("refused")
			}
			return nil, nil
		},
	}
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", told.Ports[0]))
	check(err)
	fmt.Println("{}")
	go func() {
		io.Copy(io.Discard, input)
		os.Exit(0)
	}()
	for {
		conn, err := listener.Accept()
		check(err)
		go serve(conn, config, []byte(told.Text+"# "))
	}
}

func serve(conn net.Conn, config *ssh.ServerConfig, answer []byte) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for asked := range channels {
		channel, requests, err := asked.Accept()
		if err != nil {
			return
		}
		go talk(channel, answer)
		go func() {
			for request := range requests {
				request.Reply(true, nil)
				if request.Type == "shell" {
					channel.Write([]byte("# "))
				}
			}
		}()
	}
}

// Echo what is typed; the answer follows each Enter.
func talk(channel ssh.Channel, answer []byte) {
	typed := make([]byte, 1024)
	for {
		count, err := channel.Read(typed)
		if err != nil {
			channel.Close()
			return
		}
		echo := append([]byte{}, typed[:count]...)
		if bytes.HasSuffix(echo, []byte("\r")) {
			echo = append(append(echo, '\n'), answer...)
		}
		channel.Write(echo)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
