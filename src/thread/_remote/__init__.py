"""Other processes, looked at from outside: `thread dump PID`. Nothing of this is imported by the runtime.

A process is read and never changed. Its floors, each of which knows the ones under it only:

    command                         which processes, in which form, with which exit status
    text  json_form  dot  rights    a dump for people, for programs, as a graph; what to do where it is refused
    dump  pause                     looks that agree with each other, put into plain values
    findings  naming                what is wrong; what things are called
    program                         threads, what each waits for and holds, who could end each wait
    holds  waits                    by `with`, from the stack of each frame; from the innermost frames
    releases  resources  functions  bodies that give a lock away; locks in memory; functions of the library
    threads                         the interpreter's list of them, the kernel's word on each
    frames  code  bytecode          where a thread is: its functions, lines, handlers, the height of its stacks
    objects                         strings, dicts, attributes
    runtime  image                  where the interpreter's state lies in a process
    layout                          how its structures are laid out, by version
    memory  process  idle           bytes of another process, and what /proc says: the only files that touch it

`views` holds the plain values, and knows nothing. All that is above `memory` and `process` works on recorded memory as
well, and `tests/remote/` has it do so.
"""
