/* Shuts down the ext4 file system that is mounted at the first argument, as a power cut would: nothing is flushed any
   more, neither data nor the log (EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH). */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define EXT4_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define EXT4_GOING_FLAGS_NOLOGFLUSH 2

int main(int count, char **arguments)
{
    uint32_t flags = EXT4_GOING_FLAGS_NOLOGFLUSH;
    int folder = count == 2 ? open(arguments[1], O_RDONLY | O_DIRECTORY) : -1;

    if (folder < 0 || ioctl(folder, EXT4_IOC_SHUTDOWN, &flags) != 0) {
        perror("EXT4_IOC_SHUTDOWN");
        return 1;
    }
    return 0;
}
