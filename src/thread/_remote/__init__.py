"""Other processes, looked at from outside: `thread dump PID`. Nothing of this is imported by the runtime.

A process is read and never changed. Its floors, each of which knows the ones under it only:

    command                         which processes, in which form, with which exit status
    formats/                        the forms of a dump
        json_form  dot              for programs; as a graph
        text                        for people
    dump                            looks that agree with each other, put into plain values
    wait_graph/                     waits and owners
        findings  naming            what is wrong; what things are called
        program                     threads, what each waits for and holds, who could end each wait
        holds  waits                by `with`, from the stack of each frame; from the innermost frames
        releases  resources         bodies that give a lock away; locks in memory
    stacks/                         where a thread is
        functions                   functions of the library
        threads                     the interpreter's list of them, the kernel's word on each
        frames  code                its functions, lines, handlers
    bytecode/                       instructions by version, and what each does to the height of a stack
    interpreter/                    its state and its objects
        objects                     strings, dicts, attributes
        runtime  image              where the interpreter's state lies in a process
    layout/                         how its structures are laid out, by version
    kernel/                         the only files that touch another process
        rights  pause               what to do where a dump is refused; a process that stands still to be copied
        process  idle  memory       what /proc says, and bytes of another process

`views` holds the plain values, and knows nothing. All that is above `kernel` works on recorded memory as well, and
`tests/remote/` has it do so.
"""
