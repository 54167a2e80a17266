# fish completion for pod(1), printed by `pod completion fish`; load it by: pod completion fish | source

complete -c pod -f
# @TABLES@

# Goes through the words before the last and prints the context, then the words that --dir takes if it was given.
function __pod_read
    set -l context ''
    set -l need ''
    set -l option ''
    set -l dir
    for word in (commandline -opc)[2..-1]
        if test -n "$need"
            if test -z "$context" -a "$option" = --dir
                set dir --dir $word
            end
            set need ''
            continue
        end
        if test "$context" = args -a "$word" != ---
            continue
        end
        switch $word
            case ---
                set context next
            case --
                set context args
            case '--*=*'
                if test -z "$context"
                    and string match -q -- '--dir=*' $word
                    set dir $word
                end
            case '-?*'
                set option $word
                set need (__pod_value "$context $word")
            case '*'
                set -l kind (__pod_plain "$context")
                if test -z "$context"
                    set context $word
                else if test "$kind" = run
                    set context of-image
                else if __pod_is_context "$context $word"
                    set context "$context $word"
                end
        end
    end
    printf '%s\n' "$context" $dir
end

function __pod_at
    set -l read (__pod_read)
    test "$read[1]" = "$argv[1]"
end

# The first columns of `pod ps` are what any command takes for a pod.
function __pod_pods
    set -l read (__pod_read)
    command pod $read[2..-1] ps $argv 2>/dev/null | while read -l uuid name rest
        test "$uuid" = UUID; and continue
        test "$name" = -; and echo $uuid; or printf '%s\t%s\n%s\n' $uuid $name $name
    end
end

function __pod_images
    set -l read (__pod_read)
    command pod $read[2..-1] image ls 2>/dev/null | while read -l name rest
        test "$name" = NAME; or echo $name
    end
end

function __pod_volumes
    set -l read (__pod_read)
    command pod $read[2..-1] volume ls --quiet 2>/dev/null
end

function __pod_networks
    set -l read (__pod_read)
    command pod $read[2..-1] network ls --quiet 2>/dev/null
end

function __pod_sources
    set -l found (string match -r '^(oci|oci-archive|docker-archive|dir|tar):(.*)$' -- (commandline -ct))
    if test -n "$found[2]"
        printf "$found[2]:%s\n" (__fish_complete_path $found[3])
    else
        printf '%s\n' docker:// docker-daemon: containers-storage: oci: oci-archive: docker-archive: dir: tar:
    end
end

function __pod_offer
    switch $argv[1]
        case 'words *'
            string split -- ' ' (string replace -- 'words ' '' $argv[1])
        case file
            __fish_complete_path (commandline -ct | string replace -r '^--[^=]*=' '')
        case directory
            __fish_complete_directories (commandline -ct | string replace -r '^--[^=]*=' '')
        case pods
            __pod_pods --all
        case running
            __pod_pods
        case images
            __pod_images
        case volumes
            __pod_volumes
        case networks
            __pod_networks
        case nets
            printf '%s\n' private host none pod: ns: bridge:
            __pod_networks
        case sources
            __pod_sources
        case run
            __pod_images
            __pod_sources
    end
end

function __pod_offer_plain
    set -l read (__pod_read)
    __pod_offer (__pod_plain "$read[1]")
end

complete -c pod -a '(__pod_offer_plain)'
