# The boot loader's choice of a slot. BOOT_ORDER names the slots, the best one
# first; BOOT_A_LEFT and BOOT_B_LEFT are the starts that each has left, counted
# down here and set to three again by the system that finds itself good.
# The variables are one sector of 512 bytes, 1 MiB into the card, with a checksum;
# where that is wrong, the defaults hold and every slot is tried.
setenv BOOT_ORDER "A B"
setenv BOOT_A_LEFT 3
setenv BOOT_B_LEFT 3
${devtype} dev ${devnum}
if ${devtype} read @ENV@ 0x800 1; then
    env import -c @ENV@ 0x200 BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
fi
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 3
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 3

setenv slot
for name in ${BOOT_ORDER}; do
    if test -z "${slot}"; then
        setenv part 2
        setenv left ${BOOT_A_LEFT}
        if test "${name}" = "B"; then
            setenv part 3
            setenv left ${BOOT_B_LEFT}
        fi
        if test ${left} -gt 0; then
            setexpr left ${left} - 1
            setenv BOOT_${name}_LEFT ${left}
            if load ${devtype} ${devnum}:${part} @KERNEL@ /boot/kernel; then
                if load ${devtype} ${devnum}:${part} @INITRD@ /boot/initrd; then
                    setenv initrd_size ${filesize}
                    setenv slot ${name}
                    setenv slot_part ${part}
                fi
            fi
        fi
    fi
done
if test -z "${slot}"; then
    echo "No slot has a start left: all get three more"
    setenv BOOT_A_LEFT 3
    setenv BOOT_B_LEFT 3
fi
env export -c -s 0x200 @ENV@ BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
${devtype} write @ENV@ 0x800 1
if test -n "${slot}"; then
    echo "Slot ${slot} of ${BOOT_ORDER}, starts left: A ${BOOT_A_LEFT}, B ${BOOT_B_LEFT}"
    setenv tree @TREE@
    @LOAD_TREE@
    setenv bootargs "root=PARTUUID=ca11b0c5-0${slot_part} ro rauc.slot=${slot} panic=5 quiet loglevel=4 @APPEND@"
    booti @KERNEL@ @INITRD@:${initrd_size} ${tree}
fi
# Nothing started: the next try counts one more down.
reset
