/* Masking of WebSocket payloads (RFC 6455 section 5.3), for tornadic.frames.masking.

   The payload is taken in words of 64 bits, four at a time, copied by memcpy so that it may lie
   anywhere; compilers make vector instructions of that.  What is left at the end goes byte by
   byte.  The module has no state and stands on the stable ABI, so that one build serves every
   CPython from 3.11 on; free-threaded CPython has no stable ABI yet, and gets a build of its own. */

#include <stdint.h>
#include <string.h>

#ifndef Py_GIL_DISABLED
#define Py_LIMITED_API 0x030B0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static void
xor_payload(unsigned char *out, const unsigned char *in, size_t size, const unsigned char *key)
{
    uint64_t pad, words[4];
    size_t i = 0;

    memcpy(&pad, key, 4);
    memcpy((unsigned char *)&pad + 4, key, 4);
    for (; size - i >= 32; i += 32) {
        memcpy(words, in + i, 32);
        words[0] ^= pad;
        words[1] ^= pad;
        words[2] ^= pad;
        words[3] ^= pad;
        memcpy(out + i, words, 32);
    }
    for (; size - i >= 8; i += 8) {
        memcpy(words, in + i, 8);
        words[0] ^= pad;
        memcpy(out + i, words, 8);
    }
    for (; i < size; i++)
        out[i] = in[i] ^ key[i & 3];
}

static PyObject *
mask_buffers(Py_buffer *key, Py_buffer *data)
{
    PyObject *result;

    if (key->len != 4) {
        PyErr_SetString(PyExc_ValueError, "mask must be 4 bytes");
        return NULL;
    }
    result = PyBytes_FromStringAndSize(NULL, data->len);
    if (result != NULL)
        xor_payload((unsigned char *)PyBytes_AsString(result), data->buf, (size_t)data->len,
                    key->buf);
    return result;
}

static PyObject *
mask(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    Py_buffer key, data;
    PyObject *result;

    (void)module;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "mask() takes a key and data");
        return NULL;
    }
    if (PyObject_GetBuffer(arguments[0], &key, PyBUF_SIMPLE) < 0)
        return NULL;
    if (PyObject_GetBuffer(arguments[1], &data, PyBUF_SIMPLE) < 0) {
        PyBuffer_Release(&key);
        return NULL;
    }
    result = mask_buffers(&key, &data);
    PyBuffer_Release(&data);
    PyBuffer_Release(&key);
    return result;
}

static PyMethodDef methods[] = {
    {"mask", (PyCFunction)(void (*)(void))mask, METH_FASTCALL,
     "mask($module, key, data, /)\n--\n\nReturn data with every byte XORed with one of key's four."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "tornadic.frames._masking",
    .m_doc = "Masking of WebSocket payloads.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__masking(void)
{
    return PyModuleDef_Init(&module);
}
